
ClusterId=1
In="/dev/null"
Cmd="$IWD/job.sh"
Err="/dev/null"
Iwd="$IWD"
Out="/dev/null"
Args="--seed 1 --n 10"
Rank=(machine == "x") * 10 + Memory
MyType="Job"
JobPrio=0
MaxHosts=1
MinHosts=1
NumCkpts=0
DiskUsage=1
ImageSize=1
ExitStatus=0
TargetType="Machine"
TransferIn=false
Environment="CONDOR_CONFIG=/etc/condor/my_config HOME=/home/tester OLDPWD=/ OMP_NUM_THREADS=1 PATH=/usr/bin:/bin PWD=$IWD SEED=0 USER=tester"
JobUniverse=5
NumRestarts=0
RequestCpus=1
RequestDisk=DiskUsage
RequestGPUs=1
TransferErr=false
TransferOut=false
CurrentHosts=0
ExitBySignal=false
NumJobStarts=0
RemoteSysCpu=0.0
Requirements=(TARGET.Arch == "X86_64") && (TARGET.OpSys == "LINUX") && (TARGET.Disk >= RequestDisk) && (TARGET.Memory >= RequestMemory) && (TARGET.GPUs >= RequestGPUs) && ((TARGET.FileSystemDomain == MY.FileSystemDomain) || (TARGET.HasFileTransfer))
CommittedTime=0
RemoteUserCpu=0.0
RequestMemory=4000
ExecutableSize=1
NumSystemHolds=0
AccountingGroup="sim"
JobNotification=0
LeaveJobInQueue=false
FileSystemDomain="test.local"
JobLeaseDuration=2400
TotalSuspensions=0
CommittedSlotTime=0
NumJobCompletions=0
CumulativeSlotTime=0
RemoteWallClockTime=0.0
ShouldTransferFiles="IF_NEEDED"
TransferInputSizeMB=0
WhenToTransferOutput="ON_EXIT"
CumulativeRemoteSysCpu=0.0
CommittedSuspensionTime=0
CumulativeRemoteUserCpu=0.0
CumulativeSuspensionTime=0
ProcId=0
JobStatus=1

ProcId=1
JobStatus=1
Args="--seed 2 --n 20"
Environment="CONDOR_CONFIG=/etc/condor/my_config HOME=/home/tester OLDPWD=/ OMP_NUM_THREADS=1 PATH=/usr/bin:/bin PWD=$IWD SEED=1 USER=tester"
