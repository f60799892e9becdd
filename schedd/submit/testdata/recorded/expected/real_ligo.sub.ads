
ClusterId=1
In="/dev/null"
Cmd="$IWD/job.sh"
Err="/dev/null"
Iwd="$IWD"
Out="/dev/null"
Rank=0.0
MyType="Job"
JobPrio=0
KillSig="SIGINT"
MaxHosts=1
MinHosts=1
NumCkpts=0
AcctGroup="ligo.dev.o4.cbc"
Arguments="--foo --bar 3"
DiskUsage=1
ImageSize=1
ExitStatus=0
OnExitHold=false
TargetType="Machine"
TransferIn=false
Environment="HOME=/home/tester PATH=/usr/bin:/bin"
JobUniverse=5
NumRestarts=0
RequestCpus=1
RequestDisk=DiskUsage
TransferErr=false
TransferOut=false
CurrentHosts=0
ExitBySignal=false
NumJobStarts=0
OnExitRemove=NumJobCompletions > JobMaxRetries || ExitCode =?= JobSuccessExitCode
RemoteSysCpu=0.0
Requirements=(TARGET.Arch == "X86_64") && (TARGET.OpSys == "LINUX") && (TARGET.Disk >= RequestDisk) && (TARGET.Memory >= RequestMemory) && (TARGET.HasFileTransfer && versioncmp(split(TARGET.CondorVersion)[1],"8.9.7") >= 0)
AcctGroupUser="albert.einstein"
CommittedTime=0
JobMaxRetries=2
RemoteUserCpu=0.0
RequestMemory=ifthenelse((LastHoldReasonCode =!= 34 && LastHoldReasonCode =!= 26),InitialRequestMemory,int(1.5 * NumJobStarts * MemoryUsage))
ExecutableSize=1
NumSystemHolds=0
TransferOutput="a/b"
AccountingGroup="ligo.dev.o4.cbc.albert.einstein"
JobNotification=0
LeaveJobInQueue=false
PeriodicRelease=((HoldReasonCode =?= 34) || (HoldReasonCode =?= 26)) && (JobStatus == 5)
JobLeaseDuration=2400
TotalSuspensions=0
CommittedSlotTime=0
NumJobCompletions=0
CumulativeSlotTime=0
JobSuccessExitCode=0
RemoteWallClockTime=0.0
ShouldTransferFiles="YES"
TransferInputSizeMB=0
InitialRequestMemory=2048
WhenToTransferOutput="ON_SUCCESS"
PreserveRelativePaths=true
CumulativeRemoteSysCpu=0.0
CommittedSuspensionTime=0
CumulativeRemoteUserCpu=0.0
CumulativeSuspensionTime=0
ProcId=0
JobStatus=1
