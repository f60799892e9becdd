
ClusterId=1
In="/dev/null"
Cmd="$IWD/job.sh"
Err="/dev/null"
Iwd="$IWD"
Out="/dev/null"
Rank=0.0
MyType="Job"
JobPrio=0
MaxHosts=1
MinHosts=1
NumCkpts=0
Arguments=""
DiskUsage=1
ImageSize=1
ExitStatus=0
OnExitHold=((ExitBySignal == true) || (ExitCode != 0)) && (NumJobStarts >= 5)
TargetType="Machine"
TransferIn=false
Environment=""
JobUniverse=5
NumRestarts=0
ProjectName="OSG-Staff"
RequestCpus=1
RequestDisk=DiskUsage
TransferErr=false
TransferOut=false
CurrentHosts=0
ExitBySignal=false
NumJobStarts=0
OnExitRemove=(ExitBySignal == false) && (ExitCode == 0)
RemoteSysCpu=0.0
Requirements=(HAS_SINGULARITY == true && OSGVO_OS_STRING == "RHEL 7" && TARGET.HAS_CVMFS_oasis_opensciencegrid_org =?= true) && (TARGET.Arch == "X86_64") && (TARGET.OpSys == "LINUX") && (TARGET.Disk >= RequestDisk) && (TARGET.Memory >= RequestMemory) && ((TARGET.FileSystemDomain == MY.FileSystemDomain) || (TARGET.HasFileTransfer))
CommittedTime=0
RemoteUserCpu=0.0
RequestMemory=ifthenelse(MemoryUsage =!= undefined,MemoryUsage,(ImageSize + 1023) / 1024)
ExecutableSize=1
NumSystemHolds=0
PeriodicRemove=(JobStatus == 5) && (CurrentTime - EnteredCurrentStatus) > 3600
TransferOutput="out.txt"
JobNotification=3
LeaveJobInQueue=false
PeriodicRelease=(NumJobStarts < 5) && ((CurrentTime - EnteredCurrentStatus) > 60 * 60)
FileSystemDomain="test.local"
JobLeaseDuration=2400
OnExitHoldReason=strcat("code ",ExitCode)
SingularityImage="/cvmfs/singularity.opensciencegrid.org/opensciencegrid/osgvo-el7:latest"
TotalSuspensions=0
CommittedSlotTime=0
NumJobCompletions=0
CumulativeSlotTime=0
RemoteWallClockTime=0.0
ShouldTransferFiles="IF_NEEDED"
TransferInputSizeMB=0
SingularityBindCVMFS=true
TransferOutputRemaps="out.txt = results/out_0.txt; b=c"
WhenToTransferOutput="ON_EXIT"
CumulativeRemoteSysCpu=0.0
CommittedSuspensionTime=0
CumulativeRemoteUserCpu=0.0
CumulativeSuspensionTime=0
ProcId=0
JobStatus=1

ProcId=1
JobStatus=1
TransferOutputRemaps="out.txt = results/out_1.txt; b=c"
