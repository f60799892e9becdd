package submit

import "slices"

// wellKnown are the names that the binary form stores as a number. The place is
// stored: names are only ever added at the end.
var wellKnown = [...]string{
	"AccountingGroup", "AcctGroup", "AcctGroupUser", "AllowedExecuteDuration", "AllowedJobDuration", "Args", "Arguments", "Cmd",
	"ConcurrencyLimits", "ContainerImage", "CoreSize", "DAGManJobId", "DAGManNodeRetry", "DAGNodeName", "DAGParentNodeNames",
	"DeltacloudImageId", "DeltacloudInstanceName", "DeltacloudPasswordFile", "DeltacloudUsername", "DiskUsage", "DockerImage", "Environment",
	"Err", "ExecutableSize", "FileSystemDomain", "GPUsMinCapability", "GPUsMinMemory", "GridResource", "ImageSize", "In", "Iwd",
	"JobAdInformationAttrs", "JobBatchName", "JobDescription", "JobLeaseDuration", "JobMaterializeLimit", "JobMaterializeMaxIdle",
	"JobMaxRetries", "JobNotification", "JobPrio", "JobSuccessExitCode", "JobUniverse", "KillSig", "LeaveJobInQueue", "MaxHosts",
	"MaxJobRetirementTime", "MinHosts", "NiceUser", "NotifyUser", "OnExitHold", "OnExitHoldReason", "OnExitHoldSubCode", "OnExitRemove",
	"Out", "OvirtCluster", "OvirtCpus", "OvirtMemory", "OvirtPasswordFile", "OvirtTemplate", "OvirtUserData", "OvirtUserDataFile",
	"OvirtUsername", "OvirtVM", "PeriodicHold", "PeriodicHoldReason", "PeriodicHoldSubCode", "PeriodicRelease", "PeriodicRemove",
	"PeriodicRemoveReason", "PeriodicVacate", "Rank", "RemoveKillSig", "RequestCpus", "RequestDisk", "RequestGPUs", "RequestMemory",
	"RequireGPUs", "Requirements", "ShouldTransferFiles", "StreamErr", "StreamIn", "StreamOut", "SubmitEventNotes",
	"SubmitEventUserNotes", "SuccessCheckpointExitCode", "TransferErr", "TransferExecutable", "TransferIn", "TransferInput",
	"TransferInputSizeMB", "TransferOut", "TransferOutput", "TransferOutputRemaps", "UserLog", "UserLogUseXML", "WantContainer",
	"WantDocker", "WantDockerImage", "WantTransferPluginMethods", "WhenToTransferOutput",
}

// sortedKnown is how many of wellKnown, from its beginning, are in order: those can
// be found by halving.
const sortedKnown = 100

// placeOf finds a name, in exactly that spelling.
func placeOf(name string) (int, bool) {
	i, ok := slices.BinarySearchFunc(wellKnown[:sortedKnown], name, compareNames)
	if ok {
		return i, wellKnown[i] == name
	}
	for i := sortedKnown; i < len(wellKnown); i++ {
		if wellKnown[i] == name {
			return i, true
		}
	}
	return 0, false
}
