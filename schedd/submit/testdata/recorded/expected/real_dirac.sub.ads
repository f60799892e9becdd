
ClusterId=1
In="/dev/null"
Cmd="$IWD/job.sh"
Err="1.0.err"
Iwd="$IWD/."
Out="1.0.out"
Rank=0.0
MyType="Job"
JobPrio=0
UserLog="$IWD/./1.0.log"
MaxHosts=1
MinHosts=1
NumCkpts=0
Arguments=""
DiskUsage=1
ImageSize=1
StreamErr=false
StreamOut=false
ExitStatus=0
TargetType="Machine"
TransferIn=false
Environment="DIRAC_STAMP=a HTCONDOR_JOBID=1.0"
JobUniverse=5
NumRestarts=0
RequestCpus=1
RequestDisk=DiskUsage
CurrentHosts=0
ExitBySignal=false
NumJobStarts=0
RemoteSysCpu=0.0
Requirements=(TARGET.Arch == "X86_64") && (TARGET.OpSys == "LINUX") && (TARGET.Disk >= RequestDisk) && (TARGET.Memory >= RequestMemory) && (TARGET.HasFileTransfer)
CommittedTime=0
RemoteUserCpu=0.0
RequestMemory=ifthenelse(MemoryUsage =!= undefined,MemoryUsage,(ImageSize + 1023) / 1024)
ExecutableSize=1
NumSystemHolds=0
JobNotification=0
LeaveJobInQueue=false
JobLeaseDuration=2400
TotalSuspensions=0
CommittedSlotTime=0
NumJobCompletions=0
CumulativeSlotTime=0
RemoteWallClockTime=0.0
ShouldTransferFiles="YES"
TransferInputSizeMB=0
TransferOutputRemaps="x=y"
WhenToTransferOutput="ON_EXIT_OR_EVICT"
CumulativeRemoteSysCpu=0.0
CommittedSuspensionTime=0
CumulativeRemoteUserCpu=0.0
CumulativeSuspensionTime=0
ProcId=0
JobStatus=1

ProcId=1
JobStatus=1
Err="1.1.err"
Out="1.1.out"
UserLog="$IWD/./1.1.log"
Environment="DIRAC_STAMP=b HTCONDOR_JOBID=1.1"

ProcId=2
JobStatus=1
Err="1.2.err"
Out="1.2.out"
UserLog="$IWD/./1.2.log"
Environment="DIRAC_STAMP=c HTCONDOR_JOBID=1.2"
