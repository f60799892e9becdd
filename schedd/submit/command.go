package submit

import (
	"slices"
	"strings"
)

// Command is a line that a job file may have: a submit command of HTCondor, a key of
// a job block in HCL. Most mean one attribute, by a [Kind]; the others are lowered
// by a function of their own, and their Kind says what they are written as.
type Command struct {
	Name string
	Attr string // the attribute, which in submit files is also another name for the command
	Kind Kind

	own     bool     // lowered by a function of its own
	unquote bool     // double quotes around the whole value are not part of it
	second  bool     // another command is meant by the attribute's name
	also    []string // other names for the command
	inert   bool     // it means nothing here but its attribute
	absent  string   // the expression without the command; "": no attribute
}

// commands, sorted by name.
var commands = [...]Command{
	{Name: "accounting_group", Attr: "AcctGroup", Kind: KindString, own: true},
	{Name: "accounting_group_user", Attr: "AcctGroupUser", Kind: KindString, own: true},
	{Name: "allowed_execute_duration", Attr: "AllowedExecuteDuration", Kind: KindDuration},
	{Name: "allowed_job_duration", Attr: "AllowedJobDuration", Kind: KindDuration},
	{Name: "append_files", Attr: "AppendFiles", Kind: KindString, inert: true},
	{Name: "arguments", Attr: "Args", Kind: KindArguments, own: true, also: []string{"arguments2"}},
	{Name: "batch_extra_submit_args", Attr: "BatchExtraSubmitArgs", Kind: KindString},
	{Name: "batch_id", Attr: "JobBatchId", Kind: KindString, unquote: true},
	{Name: "batch_name", Attr: "JobBatchName", Kind: KindString, unquote: true},
	{Name: "batch_project", Attr: "BatchProject", Kind: KindString},
	{Name: "batch_queue", Attr: "BatchQueue", Kind: KindString},
	{Name: "batch_runtime", Attr: "BatchRuntime", Kind: KindDuration},
	{Name: "buffer_size", Attr: "BufferSize", Kind: KindOldExpr, inert: true},
	{Name: "checkpoint_destination", Attr: "CheckpointDestination", Kind: KindString, inert: true},
	{Name: "checkpoint_exit_code", Attr: "SuccessCheckpointExitCode", Kind: KindInt},
	{Name: "compress_files", Attr: "CompressFiles", Kind: KindString, inert: true},
	{Name: "concurrency_limits", Attr: "ConcurrencyLimits", Kind: KindLimits},
	{Name: "concurrency_limits_expr", Attr: "ConcurrencyLimits", Kind: KindOldExpr, second: true},
	{Name: "container_image", Attr: "ContainerImage", Kind: KindString, own: true},
	{Name: "container_service_names", Attr: "ContainerServiceNames", Kind: KindString},
	{Name: "container_target_dir", Attr: "ContainerTargetDir", Kind: KindString},
	{Name: "coresize", Attr: "CoreSize", Kind: KindOldExpr},
	{Name: "cron_day_of_month", Attr: "CronDayOfMonth", Kind: KindString},
	{Name: "cron_day_of_week", Attr: "CronDayOfWeek", Kind: KindString},
	{Name: "cron_hour", Attr: "CronHour", Kind: KindString},
	{Name: "cron_minute", Attr: "CronMinute", Kind: KindString},
	{Name: "cron_month", Attr: "CronMonth", Kind: KindString},
	{Name: "cron_prep_time", Attr: "DeferralPrepTime", Kind: KindDuration, own: true, second: true, also: []string{"cronpreptime"}},
	{Name: "cron_window", Attr: "DeferralWindow", Kind: KindDuration, own: true, second: true, also: []string{"cronwindow"}},
	{Name: "dag_node_name", Attr: "DAGNodeName", Kind: KindString},
	{Name: "dagman_log", Attr: "DAGManNodesLog", Kind: KindPath, own: true},
	{Name: "deferral_prep_time", Attr: "DeferralPrepTime", Kind: KindDuration, own: true},
	{Name: "deferral_time", Attr: "DeferralTime", Kind: KindOldExpr, own: true},
	{Name: "deferral_window", Attr: "DeferralWindow", Kind: KindDuration, own: true},
	{Name: "deltacloud_hardware_profile", Attr: "DeltacloudHardwareProfile", Kind: KindString},
	{Name: "deltacloud_hardware_profile_cpu", Attr: "DeltacloudHardwareProfileCpu", Kind: KindString},
	{Name: "deltacloud_hardware_profile_memory", Attr: "DeltacloudHardwareProfileMemory", Kind: KindString},
	{Name: "deltacloud_hardware_profile_storage", Attr: "DeltacloudHardwareProfileStorage", Kind: KindString},
	{Name: "deltacloud_image_id", Attr: "DeltacloudImageId", Kind: KindString},
	{Name: "deltacloud_instance_name", Attr: "DeltacloudInstanceName", Kind: KindString},
	{Name: "deltacloud_keyname", Attr: "DeltacloudKeyname", Kind: KindString},
	{Name: "deltacloud_password_file", Attr: "DeltacloudPasswordFile", Kind: KindPath, own: true},
	{Name: "deltacloud_realm_id", Attr: "DeltacloudRealmId", Kind: KindString},
	{Name: "deltacloud_retry_timeout", Attr: "DeltacloudRetryTimeout", Kind: KindDuration},
	{Name: "deltacloud_user_data", Attr: "DeltacloudUserData", Kind: KindString},
	{Name: "deltacloud_username", Attr: "DeltacloudUsername", Kind: KindString},
	{Name: "description", Attr: "JobDescription", Kind: KindString},
	{Name: "docker_image", Attr: "DockerImage", Kind: KindString, own: true},
	{Name: "docker_network_type", Attr: "DockerNetworkType", Kind: KindString},
	{Name: "docker_override_entrypoint", Attr: "DockerOverrideEntrypoint", Kind: KindBool},
	{Name: "docker_pull_policy", Attr: "DockerPullPolicy", Kind: KindString},
	{Name: "dont_encrypt_input_files", Attr: "DontEncryptInputFiles", Kind: KindFiles},
	{Name: "dont_encrypt_output_files", Attr: "DontEncryptOutputFiles", Kind: KindFiles},
	{Name: "email_attributes", Attr: "EmailAttributes", Kind: KindNames},
	{Name: "encrypt_execute_directory", Attr: "EncryptExecuteDirectory", Kind: KindBool},
	{Name: "encrypt_input_files", Attr: "EncryptInputFiles", Kind: KindFiles},
	{Name: "encrypt_output_files", Attr: "EncryptOutputFiles", Kind: KindFiles},
	{Name: "environment", Attr: "Environment", Kind: KindEnvironment, own: true, also: []string{"env", "environment2"}},
	{Name: "erase_output_and_error_on_restart", Attr: "EraseOutputAndErrorOnRestart", Kind: KindBool},
	{Name: "error", Attr: "Err", Kind: KindString, own: true, also: []string{"stderr"}},
	{Name: "executable", Attr: "Cmd", Kind: KindString, own: true},
	{Name: "fetch_files", Attr: "FetchFiles", Kind: KindString, inert: true},
	{Name: "file_remaps", Attr: "FileRemaps", Kind: KindString, unquote: true, inert: true},
	{Name: "getenv", Kind: KindString, own: true, also: []string{"get_env"}},
	{Name: "gpus_maximum_capability", Attr: "GPUsMaxCapability", Kind: KindOldExpr, own: true},
	{Name: "gpus_minimum_capability", Attr: "GPUsMinCapability", Kind: KindOldExpr, own: true},
	{Name: "gpus_minimum_memory", Attr: "GPUsMinMemory", Kind: KindMiB, own: true},
	{Name: "gpus_minimum_runtime", Attr: "GPUsMinRuntime", Kind: KindVersion, own: true},
	{Name: "grid_resource", Attr: "GridResource", Kind: KindString, own: true},
	{Name: "hold", Kind: KindBool, own: true},
	{Name: "hold_kill_sig", Attr: "HoldKillSig", Kind: KindSignal},
	{Name: "image_size", Attr: "ImageSize", Kind: KindKiB, own: true},
	{Name: "initialdir", Attr: "Iwd", Kind: KindPath, own: true, also: []string{"initial_dir", "job_iwd"}},
	{Name: "input", Attr: "In", Kind: KindString, own: true, also: []string{"stdin"}},
	{Name: "jar_files", Attr: "JarFiles", Kind: KindFiles},
	{Name: "java_vm_args", Attr: "JavaVMArgs", Kind: KindString},
	{Name: "job_ad_information_attrs", Attr: "JobAdInformationAttrs", Kind: KindString},
	{Name: "job_lease_duration", Attr: "JobLeaseDuration", Kind: KindDuration, own: true},
	{Name: "job_machine_attrs", Attr: "JobMachineAttrs", Kind: KindString},
	{Name: "job_machine_attrs_history_length", Attr: "JobMachineAttrsHistoryLength", Kind: KindInt},
	{Name: "job_max_vacate_time", Attr: "JobMaxVacateTime", Kind: KindDuration},
	{Name: "jobset", Attr: "JobSetName", Kind: KindString},
	{Name: "keep_claim_idle", Attr: "KeepClaimIdle", Kind: KindDuration},
	{Name: "kill_sig", Attr: "KillSig", Kind: KindSignal, own: true},
	{Name: "kill_sig_timeout", Attr: "KillSigTimeout", Kind: KindDuration},
	{Name: "leave_in_queue", Attr: "LeaveJobInQueue", Kind: KindOldExpr, absent: "false"},
	{Name: "load_profile", Attr: "LoadProfile", Kind: KindBool, inert: true},
	{Name: "local_files", Attr: "LocalFiles", Kind: KindString, inert: true},
	{Name: "log", Attr: "UserLog", Kind: KindPath, own: true},
	{Name: "log_xml", Attr: "UserLogUseXML", Kind: KindBool},
	{Name: "machine_count", Attr: "MaxHosts", Kind: KindInt, own: true, second: true, also: []string{"machinecount", "node_count", "nodecount"}},
	{Name: "manifest", Attr: "ManifestDesired", Kind: KindBool},
	{Name: "match_list_length", Attr: "LastMatchListLength", Kind: KindOldExpr},
	{Name: "max_idle", Attr: "JobMaterializeMaxIdle", Kind: KindOldExpr, also: []string{"materialize_max_idle"}},
	{Name: "max_job_retirement_time", Attr: "MaxJobRetirementTime", Kind: KindDuration},
	{Name: "max_materialize", Attr: "JobMaterializeLimit", Kind: KindOldExpr},
	{Name: "max_retries", Attr: "JobMaxRetries", Kind: KindInt, own: true},
	{Name: "max_transfer_input_mb", Attr: "MaxTransferInputMB", Kind: KindOldExpr},
	{Name: "max_transfer_output_mb", Attr: "MaxTransferOutputMB", Kind: KindOldExpr},
	{Name: "next_job_start_delay", Attr: "NextJobStartDelay", Kind: KindDuration},
	{Name: "nice_user", Attr: "NiceUser", Kind: KindBool, own: true},
	{Name: "noop_job", Attr: "IsNoopJob", Kind: KindBool},
	{Name: "noop_job_exit_code", Attr: "NoopJobExitCode", Kind: KindOldExpr},
	{Name: "noop_job_exit_signal", Attr: "NoopJobExitSignal", Kind: KindOldExpr},
	{Name: "notification", Attr: "JobNotification", Kind: KindNotification, absent: "0"},
	{Name: "notify_user", Attr: "NotifyUser", Kind: KindString},
	{Name: "on_exit_hold", Attr: "OnExitHold", Kind: KindOldExpr, own: true},
	{Name: "on_exit_hold_reason", Attr: "OnExitHoldReason", Kind: KindOldExpr},
	{Name: "on_exit_hold_subcode", Attr: "OnExitHoldSubCode", Kind: KindOldExpr},
	{Name: "on_exit_remove", Attr: "OnExitRemove", Kind: KindOldExpr, own: true},
	{Name: "output", Attr: "Out", Kind: KindString, own: true, also: []string{"stdout"}},
	{Name: "output_destination", Attr: "OutputDestination", Kind: KindString},
	{Name: "ovirt_affinity_groups", Attr: "OvirtAffinityGroups", Kind: KindNames},
	{Name: "ovirt_cluster", Attr: "OvirtCluster", Kind: KindString},
	{Name: "ovirt_cpus", Attr: "OvirtCpus", Kind: KindOldExpr},
	{Name: "ovirt_instance_type", Attr: "OvirtInstanceType", Kind: KindString},
	{Name: "ovirt_keep_on_failure", Attr: "OvirtKeepOnFailure", Kind: KindDuration},
	{Name: "ovirt_machine_log", Attr: "OvirtMachineLog", Kind: KindPath, own: true},
	{Name: "ovirt_memory", Attr: "OvirtMemory", Kind: KindMiB},
	{Name: "ovirt_password_file", Attr: "OvirtPasswordFile", Kind: KindPath, own: true},
	{Name: "ovirt_quota", Attr: "OvirtQuota", Kind: KindString},
	{Name: "ovirt_reuse", Attr: "OvirtReuse", Kind: KindDuration},
	{Name: "ovirt_snapshot", Attr: "OvirtSnapshot", Kind: KindString},
	{Name: "ovirt_tags", Attr: "OvirtTags", Kind: KindNames},
	{Name: "ovirt_template", Attr: "OvirtTemplate", Kind: KindString},
	{Name: "ovirt_user_data", Attr: "OvirtUserData", Kind: KindString},
	{Name: "ovirt_user_data_file", Attr: "OvirtUserDataFile", Kind: KindPath, own: true},
	{Name: "ovirt_username", Attr: "OvirtUsername", Kind: KindString},
	{Name: "ovirt_vm", Attr: "OvirtVM", Kind: KindString},
	{Name: "periodic_hold", Attr: "PeriodicHold", Kind: KindOldExpr},
	{Name: "periodic_hold_reason", Attr: "PeriodicHoldReason", Kind: KindOldExpr},
	{Name: "periodic_hold_subcode", Attr: "PeriodicHoldSubCode", Kind: KindOldExpr},
	{Name: "periodic_release", Attr: "PeriodicRelease", Kind: KindOldExpr},
	{Name: "periodic_release_reason", Attr: "PeriodicReleaseReason", Kind: KindOldExpr},
	{Name: "periodic_remove", Attr: "PeriodicRemove", Kind: KindOldExpr},
	{Name: "periodic_remove_reason", Attr: "PeriodicRemoveReason", Kind: KindOldExpr},
	{Name: "periodic_vacate", Attr: "PeriodicVacate", Kind: KindOldExpr},
	{Name: "periodic_vacate_reason", Attr: "PeriodicVacateReason", Kind: KindOldExpr},
	{Name: "preserve_relative_paths", Attr: "PreserveRelativePaths", Kind: KindBool},
	{Name: "priority", Attr: "JobPrio", Kind: KindInt, also: []string{"prio"}, absent: "0"},
	{Name: "public_input_files", Attr: "PublicInputFiles", Kind: KindFiles},
	{Name: "rank", Attr: "Rank", Kind: KindOldExpr, also: []string{"preferences"}, absent: "0.0"},
	{Name: "ready_address", Attr: "ReadyAddress", Kind: KindString, own: true},
	{Name: "ready_command", Attr: "ReadyCommand", Kind: KindArguments, own: true},
	{Name: "ready_every", Attr: "ReadyEvery", Kind: KindDuration, own: true},
	{Name: "ready_http", Attr: "ReadyHttp", Kind: KindString, own: true},
	{Name: "ready_tcp", Attr: "ReadyTcp", Kind: KindInt, own: true},
	{Name: "ready_timeout", Attr: "ReadyTimeout", Kind: KindDuration, own: true},
	{Name: "remote_initialdir", Attr: "RemoteIwd", Kind: KindString},
	{Name: "remove_kill_sig", Attr: "RemoveKillSig", Kind: KindSignal},
	{Name: "request_cpus", Attr: "RequestCpus", Kind: KindOldExpr, own: true},
	{Name: "request_disk", Attr: "RequestDisk", Kind: KindKiB, own: true},
	{Name: "request_gpus", Attr: "RequestGPUs", Kind: KindOldExpr, own: true},
	{Name: "request_memory", Attr: "RequestMemory", Kind: KindMiB, own: true},
	{Name: "require_gpus", Attr: "RequireGPUs", Kind: KindOldExpr, own: true},
	{Name: "requirements", Attr: "Requirements", Kind: KindRequirements, own: true},
	{Name: "retry_until", Kind: KindOldExpr, own: true},
	{Name: "run_as_owner", Attr: "RunAsOwner", Kind: KindBool},
	{Name: "run_once", Attr: "RunOnce", Kind: KindBool},
	{Name: "should_transfer_files", Attr: "ShouldTransferFiles", Kind: KindString, own: true},
	{Name: "skip_if_dataflow", Attr: "SkipIfDataflow", Kind: KindBool},
	{Name: "stack_size", Attr: "StackSize", Kind: KindOldExpr, inert: true},
	{Name: "starter_debug", Attr: "JobStarterDebug", Kind: KindString, inert: true},
	{Name: "stream_error", Attr: "StreamErr", Kind: KindBool, own: true},
	{Name: "stream_input", Attr: "StreamIn", Kind: KindBool, own: true},
	{Name: "stream_output", Attr: "StreamOut", Kind: KindBool, own: true},
	{Name: "submit_event_notes", Attr: "SubmitEventNotes", Kind: KindString},
	{Name: "submit_event_user_notes", Attr: "SubmitEventUserNotes", Kind: KindString},
	{Name: "success_exit_code", Attr: "JobSuccessExitCode", Kind: KindInt, own: true},
	{Name: "transfer_checkpoint_files", Attr: "TransferCheckpoint", Kind: KindFiles},
	{Name: "transfer_container", Attr: "TransferContainer", Kind: KindBool, own: true},
	{Name: "transfer_error", Attr: "TransferErr", Kind: KindBool, own: true},
	{Name: "transfer_executable", Attr: "TransferExecutable", Kind: KindBool, own: true},
	{Name: "transfer_input", Attr: "TransferIn", Kind: KindBool, own: true},
	{Name: "transfer_input_files", Attr: "TransferInput", Kind: KindFiles, own: true, second: true, also: []string{"transferinputfiles"}},
	{Name: "transfer_output", Attr: "TransferOut", Kind: KindBool, own: true},
	{Name: "transfer_output_files", Attr: "TransferOutput", Kind: KindFiles, own: true, second: true, also: []string{"transferoutputfiles"}},
	{Name: "transfer_output_remaps", Attr: "TransferOutputRemaps", Kind: KindString, unquote: true},
	{Name: "transfer_plugins", Attr: "TransferPlugins", Kind: KindString},
	{Name: "ulog_execute_attrs", Attr: "UserLogExecuteEventAttrs", Kind: KindString},
	{Name: "universe", Attr: "JobUniverse", Kind: KindString, own: true},
	{Name: "use_oauth_services", Kind: KindString, own: true},
	{Name: "want_graceful_removal", Attr: "WantGracefulRemoval", Kind: KindBool},
	{Name: "want_io_proxy", Attr: "WantIOProxy", Kind: KindBool, inert: true},
	{Name: "when_to_transfer_output", Attr: "WhenToTransferOutput", Kind: KindString, own: true},
}

// unserved are commands of HTCondor that mean nothing here yet. They are known, so
// that a file that uses them is told so, and not asked whether it meant another.
var unserved = [...]string{
	"allow_startup_script", "arc_resources", "arc_rte", "aws_access_key_id_file", "aws_region", "aws_secret_access_key_file",
	"buffer_block_size", "buffer_files",
	"copy_to_spool", "cuda_version",
	"ec2_access_key_id", "ec2_ami_id",
	"expected_runtime", "gce_image",
	"gpus_maximum_memory", "keystore_file",
	"mount_under_scratch", "primary_unix_group",
	"remote_cerequirements", "retry_request_memory", "retry_request_memory_increase", "retry_request_memory_max", "scitokens_file", "shell",
	"starter_log", "success_checkpoint_exit_code", "suspend_job_at_exec", "tool_daemon_args", "tool_daemon_cmd",
	"use_scitokens",
	"use_x509userproxy", "vm_checkpoint", "vm_disk", "vm_memory", "vm_networking", "vm_type", "vm_vcpus", "x509userproxy",
}

// CommandNamed finds a command by its name in any case, or by one of the other names
// that submit files use.
func CommandNamed(name string) (Command, bool) {
	key := fold(name)
	if i, ok := slices.BinarySearchFunc(commands[:], key, func(c Command, key string) int { return strings.Compare(c.Name, key) }); ok {
		return commands[i], true
	}
	for _, c := range commands {
		if c.Attr != "" && !c.second && compareNames(c.Attr, key) == 0 || slices.Contains(c.also, key) {
			return c, true
		}
	}
	return Command{}, false
}

// CommandNames are the names of the commands, sorted.
func CommandNames() []string {
	names := make([]string, len(commands))
	for i, c := range commands {
		names[i] = c.Name
	}
	return names
}

// names are the names under which a file may set c, the first that is set counts.
func (c Command) names() []string {
	names := []string{c.Name}
	if c.Attr != "" && !c.second {
		names = append(names, fold(c.Attr))
	}
	return append(names, c.also...)
}
