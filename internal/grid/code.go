package grid

// HoldCode says why a job is held (the job attribute HoldReasonCode), with
// HTCondor's numbers.
type HoldCode int16

const (
	HoldUser          HoldCode = 1
	HoldJobPolicy     HoldCode = 3
	HoldCredential    HoldCode = 4 // CorruptedCredential: a password file that cannot be used
	HoldNoProcess     HoldCode = 6 // FailedToCreateProcess; the subcode is the errno
	HoldOpenOutput    HoldCode = 7
	HoldOpenInput     HoldCode = 8
	HoldOutput        HoldCode = 12 // TransferOutputError
	HoldInput         HoldCode = 13 // TransferInputError
	HoldIwd           HoldCode = 14
	HoldSubmitted     HoldCode = 15
	HoldSpooling      HoldCode = 16 // SpoolingInput: at an HTCondor, until the job's files are there
	HoldMissedTime    HoldCode = 20 // MissedDeferredExecutionTime
	HoldCron          HoldCode = 25 // InvalidCronSettings
	HoldSystemPolicy  HoldCode = 26
	HoldInputSize     HoldCode = 32 // MaxTransferInputSizeExceeded
	HoldOutputSize    HoldCode = 33 // MaxTransferOutputSizeExceeded
	HoldOutOfResource HoldCode = 34 // subcode 102 memory, 104 disk
	HoldCheckpoint    HoldCode = 36 // FailedToCheckpoint
	HoldJobDuration   HoldCode = 46 // longer than allowed_job_duration
	HoldExecDuration  HoldCode = 47 // longer than allowed_execute_duration
	// The next six are HTCondor's categories for EC2 jobs; ours for VM jobs.
	HoldCloudUser       HoldCode = 37 // the user can mend it: credential, template, name
	HoldCloudInternal   HoldCode = 38
	HoldCloudAdmin      HoldCode = 39 // the administrator can: resource or GAHP not configured
	HoldCloudConnection HoldCode = 40
	HoldCloudServer     HoldCode = 41
	HoldCloudLost       HoldCode = 42 // the machine may exist and could not be found
)

// Label is the code's word in the job attribute NumHoldsByReason.
func (c HoldCode) Label() string {
	if s := holdLabels[c]; s != "" {
		return s
	}
	return "Other"
}

var holdLabels = map[HoldCode]string{
	HoldUser: "UserRequest", HoldJobPolicy: "JobPolicy", HoldCredential: "CorruptedCredential", HoldNoProcess: "FailedToCreateProcess",
	HoldOpenOutput: "UnableToOpenOutput", HoldOpenInput: "UnableToOpenInput", HoldOutput: "TransferOutputError", HoldInput: "TransferInputError",
	HoldIwd: "IwdError", HoldSubmitted: "SubmittedOnHold", HoldMissedTime: "MissedDeferredExecutionTime", HoldCron: "InvalidCronSettings",
	HoldSystemPolicy: "SystemPolicy", HoldOutOfResource: "JobOutOfResources", HoldCloudUser: "EC2UserError", HoldCloudInternal: "EC2InternalError",
	HoldCloudAdmin: "EC2AdminError", HoldCloudConnection: "EC2ConnectionProblem", HoldCloudServer: "EC2ServerError",
	HoldCloudLost: "EC2InstancePotentiallyLost", HoldCheckpoint: "FailedToCheckpoint", HoldSpooling: "SpoolingInput",
	HoldInputSize: "MaxTransferInputSizeExceeded", HoldOutputSize: "MaxTransferOutputSizeExceeded", HoldJobDuration: "JobDurationExceeded", HoldExecDuration: "JobExecuteExceeded",
}

// Label is the code's word in the job attribute NumVacatesByReason.
func (c VacateCode) Label() string {
	if s := vacateLabels[c]; s != "" {
		return s
	}
	return "Other"
}

var vacateLabels = map[VacateCode]string{
	VacatePolicy: "JobPolicyVacate", VacateSystem: "SystemPolicyVacate", VacateShadow: "ShadowException", VacateUser: "UserVacateJob",
	VacateAgain: "JobShouldRequeue", VacateStarter: "StarterError", VacateReconnect: "ReconnectFailed", VacateMachine: "StartdException",
	VacateDraining: "StartdDraining", VacateVM: "VMError", VacateRemoved: "JobRemoved",
	VacateSaved: "SuccessfulCheckpoint",
}

// VacateCode says why an execution ended without a result (VacateReasonCode),
// with HTCondor's numbers.
type VacateCode int32

const (
	VacatePolicy    VacateCode = 1000 // periodic_vacate
	VacateSystem    VacateCode = 1001 // a policy of the configuration
	VacateShadow    VacateCode = 1002 // our side failed
	VacateUser      VacateCode = 1004
	VacateAgain     VacateCode = 1005 // it exited, and its policy wants it again
	VacateStarter   VacateCode = 1007 // the runner died
	VacateReconnect VacateCode = 1008 // the worker did not come back
	VacateMachine   VacateCode = 1012 // the machine restarted
	VacateDraining  VacateCode = 1014
	VacateVM        VacateCode = 1020
	VacateRemoved   VacateCode = 1023
	VacateSaved     VacateCode = 1025 // it has taken a checkpoint, and goes on elsewhere
)

// Universe is how a job runs (JobUniverse), with HTCondor's numbers.
type Universe uint8

const (
	Vanilla   Universe = 5
	Scheduler Universe = 7
	Grid      Universe = 9
	Java      Universe = 10
	Parallel  Universe = 11
	Local     Universe = 12
	VM        Universe = 13
)

func (u Universe) String() string {
	switch u {
	case Vanilla:
		return "vanilla"
	case Scheduler:
		return "scheduler"
	case Grid:
		return "grid"
	case Java:
		return "java"
	case Parallel:
		return "parallel"
	case Local:
		return "local"
	case VM:
		return "vm"
	}
	return "unknown"
}

// EventNumber is a job event's number in the user log.
type EventNumber uint8

const (
	EventSubmit          EventNumber = 0
	EventExecute         EventNumber = 1
	EventExecutable      EventNumber = 2
	EventEvicted         EventNumber = 4
	EventTerminated      EventNumber = 5
	EventImageSize       EventNumber = 6
	EventShadow          EventNumber = 7
	EventGeneric         EventNumber = 8
	EventAborted         EventNumber = 9
	EventSuspended       EventNumber = 10
	EventUnsuspended     EventNumber = 11
	EventHeld            EventNumber = 12
	EventReleased        EventNumber = 13
	EventNodeExecute     EventNumber = 14
	EventNodeTerminated  EventNumber = 15
	EventPostScript      EventNumber = 16
	EventRemoteError     EventNumber = 21
	EventDisconnected    EventNumber = 22
	EventReconnected     EventNumber = 23
	EventReconnectFail   EventNumber = 24
	EventGridUp          EventNumber = 25
	EventGridDown        EventNumber = 26
	EventGridSubmit      EventNumber = 27
	EventAdInformation   EventNumber = 28
	EventStatusUnknown   EventNumber = 29
	EventStatusKnown     EventNumber = 30
	EventAttribute       EventNumber = 33
	EventPreSkip         EventNumber = 34
	EventClusterSubmit   EventNumber = 35
	EventClusterRemove   EventNumber = 36
	EventFactoryPaused   EventNumber = 37
	EventFactoryResumed  EventNumber = 38
	EventFileTransfer    EventNumber = 40
	EventDataflowSkipped EventNumber = 46
)
