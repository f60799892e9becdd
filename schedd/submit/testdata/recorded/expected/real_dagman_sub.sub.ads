
ClusterId=1
In="/dev/null"
Cmd="$IWD/job.sh"
Err="d.lib.err"
Iwd="$IWD"
Out="d.lib.out"
Rank=0.0
MyType="Job"
JobPrio=0
KillSig="SIGTERM"
UserLog="$IWD/d.dagman.log"
MaxHosts=1
MinHosts=1
NumCkpts=0
Arguments="-p 0 -f -l . -Lockfile d.lock -AutoRescue 1 -DoRescueFrom 0 -Dag d -Suppress_notification -CsdVersion $CondorVersion:' '23.9.6' '2024' '$ -Dagman /usr/bin/condor_dagman"
DiskUsage=1
ImageSize=1
StreamErr=false
StreamOut=false
ExitStatus=0
TargetType="Machine"
TransferIn=false
Environment="CONDOR_CONFIG=/etc/condor/my_config HOME=/home/tester PATH=/usr/bin:/bin USER=tester _CONDOR_DAGMAN_LOG=d.dagman.out _CONDOR_MAX_DAGMAN_LOG=0"
JobUniverse=7
NumRestarts=0
RequestCpus=1
RequestDisk=DiskUsage
CurrentHosts=0
ExitBySignal=false
NumJobStarts=0
OnExitRemove=(ExitSignal =?= 11 || (ExitCode =!= undefined && ExitCode >= 0 && ExitCode <= 2))
RemoteSysCpu=0.0
Requirements=(TARGET.Arch == "X86_64") && (TARGET.OpSys == "LINUX") && (TARGET.Disk >= RequestDisk) && (TARGET.Memory >= RequestMemory)
CommittedTime=0
RemoteUserCpu=0.0
RemoveKillSig="SIGUSR1"
RequestMemory=ifthenelse(MemoryUsage =!= undefined,MemoryUsage,(ImageSize + 1023) / 1024)
ExecutableSize=1
NumSystemHolds=0
JobNotification=0
LeaveJobInQueue=false
FileSystemDomain="test.local"
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
OtherJobRemoveRequirements="DAGManJobId =?= 1"
ProcId=0
JobStatus=1
