package ovirtsim

import "net/http"

// Status is a machine's state, in the API's words.
type Status string

// States.
const (
	ImageLocked    Status = "image_locked"
	Down           Status = "down"
	WaitForLaunch  Status = "wait_for_launch"
	PoweringUp     Status = "powering_up"
	Up             Status = "up"
	PoweringDown   Status = "powering_down"
	Rebooting      Status = "reboot_in_progress"
	Paused         Status = "paused"
	Migrating      Status = "migrating"
	Suspended      Status = "suspended"
	SavingState    Status = "saving_state"
	RestoringState Status = "restoring_state"
	NotResponding  Status = "not_responding"
	Unknown        Status = "unknown"
	Unassigned     Status = "unassigned"
)

var statuses = []Status{
	ImageLocked, Down, WaitForLaunch, PoweringUp, Up, PoweringDown, Rebooting, Paused, Migrating,
	Suspended, SavingState, RestoringState, NotResponding, Unknown, Unassigned,
}

// running: a host has it.
func (s Status) running() bool {
	switch s {
	case ImageLocked, Down, Suspended:
		return false
	}
	return true
}

// answer is what an order meets in a state: it is carried out, or the engine refuses it
// with a fault, or, if neither, there is nothing to do.
type answer struct {
	do    bool
	fault string // key in [faults]
}

var (
	do      = answer{do: true}
	nothing = answer{}
)

func no(fault string) answer { return answer{fault: fault} }

// table says what each order meets in each state. It is the engine's action matrix
// with what its command validators add. A pair that is not here is refused because of
// the state.
var table = map[Status]map[Op]answer{
	Down:           {OpStart: do, OpStop: nothing, OpShutdown: nothing, OpRemove: do},
	WaitForLaunch:  {OpStop: do, OpShutdown: do, OpStart: no("VM_IS_RUNNING"), OpRemove: no("VM_IS_RUNNING")},
	PoweringUp:     {OpStop: do, OpShutdown: do, OpStart: no("VM_IS_RUNNING"), OpRemove: no("VM_IS_RUNNING")},
	Up:             {OpStop: do, OpShutdown: do, OpStart: no("VM_IS_RUNNING"), OpRemove: no("VM_IS_RUNNING")},
	PoweringDown:   {OpStop: do, OpShutdown: do, OpStart: no("VM_STATUS_ILLEGAL"), OpRemove: no("VM_IS_RUNNING")},
	Rebooting:      {OpStop: do, OpShutdown: do, OpRemove: no("VM_IS_RUNNING")},
	Paused:         {OpStart: do, OpStop: do, OpShutdown: do, OpRemove: no("VM_IS_RUNNING")},
	Suspended:      {OpStart: do, OpStop: do, OpShutdown: do, OpRemove: no("STATUS_IS_NOT_DOWN")},
	SavingState:    {OpStop: no("VM_IS_SAVING_RESTORING"), OpShutdown: no("VM_IS_SAVING_RESTORING")},
	RestoringState: {OpStop: no("VM_IS_SAVING_RESTORING"), OpShutdown: no("VM_IS_SAVING_RESTORING")},
	ImageLocked:    {OpStart: no("VM_IS_LOCKED"), OpStop: no("VM_IS_NOT_RUNNING"), OpRemove: no("VM_IS_LOCKED")},
	NotResponding:  {OpStop: do, OpShutdown: do, OpRemove: no("VM_IS_RUNNING")},
	Unassigned:     {OpRemove: do},
}

// legal is what an order meets.
func legal(s Status, op Op) answer {
	if a, ok := table[s][op]; ok {
		return a
	}
	return no("VM_STATUS_ILLEGAL")
}

// words is a state as fault texts say it.
func (s Status) words() string {
	if w, ok := map[Status]string{
		ImageLocked: "Image Locked", WaitForLaunch: "Wait for Launch", PoweringUp: "Powering Up", PoweringDown: "Powering Down",
		Rebooting: "Reboot in Progress", SavingState: "Saving State", RestoringState: "Restoring State", NotResponding: "Not Responding",
	}[s]; ok {
		return w
	}
	return title(string(s))
}

// faultText is an engine's message: its status, and its sentence, in which {order} is
// what was to be done, as in "run VM", and {what} what it is about.
type faultText struct {
	status int
	detail string
}

// faults are the messages that this engine gives, by the last part of their keys.
// Programs sort by these sentences, there being nothing else to sort by.
var faults = map[string]faultText{
	"NAME_ALREADY_USED":        {http.StatusConflict, "Cannot {order}. The VM name is already in use, please choose a unique name and try again."},
	"OBJECT_LOCKED":            {http.StatusConflict, "Cannot {order}. Related operation is currently in progress. Please try again later."},
	"VM_IS_LOCKED":             {http.StatusConflict, "Cannot {order}: VM is locked. Please try again in a few minutes."},
	"DISKS_LOCKED":             {http.StatusConflict, "Cannot {order}: The following disks are locked: {what}. Please try again in a few minutes."},
	"VM_STATUS_ILLEGAL":        {http.StatusConflict, "Cannot {order} because the VM is in {what} status."},
	"VM_IS_RUNNING":            {http.StatusConflict, "Cannot {order}. VM is running."},
	"VM_IS_NOT_RUNNING":        {http.StatusConflict, "Cannot {order}. VM is not running."},
	"VM_IS_SAVING_RESTORING":   {http.StatusConflict, "Cannot {order}. VM is in saving/restoring state.\n-Please wait until the VM's status has changed."},
	"STATUS_IS_NOT_DOWN":       {http.StatusConflict, "Cannot {order}. The VM status is not down."},
	"DELETE_PROTECTION":        {http.StatusConflict, "Cannot {order}. Delete protection is enabled. In order to delete, disable Delete protection first."},
	"DETACH_BASED_ON_TEMPLATE": {http.StatusConflict, "Cannot {order}. VM disks cannot be detached: they are based on a Template."},
	"ALL_HOSTS_FILTERED_OUT":   {http.StatusConflict, "Cannot {order}. There is no host that satisfies current scheduling constraints. See below for details:, {what}"},
	"NO_HOSTS":                 {http.StatusConflict, "Cannot {order}. There are no hosts to use. Check that the cluster contains at least one host in Up state."},
	"QUOTA_CLUSTER_LIMIT":      {http.StatusConflict, "Cannot {order}. Quota's cluster limit is exceeded: not enough memory or virtual CPUs are left in quota {what}."},
	"QUOTA_NOT_EXIST":          {http.StatusBadRequest, "Cannot {order}. Quota does not exist."},
	"QUOTA_STORAGE_LIMIT":      {http.StatusConflict, "Cannot {order}. Quota's storage limit is exceeded: not enough storage is left in quota {what}."},
	"TEMPLATE_IMAGE_IS_LOCKED": {http.StatusConflict, "Cannot {order}. Template's Image is locked (temporarily)."},
	"TEMPLATE_DOES_NOT_EXIST":  {http.StatusBadRequest, "Cannot {order}. Template does not exist."},
	"TEMPLATE_IS_DISABLED":     {http.StatusConflict, "Cannot {order}. The Template is disabled, please try to enable the template first and try again."},
	"CLUSTER_IS_NOT_VALID":     {http.StatusBadRequest, "Cannot {order}. The Cluster is not valid: it does not exist."},
	"NAME_SPECIAL_CHARS":       {http.StatusBadRequest, "Cannot {order}. The given name contains special characters. Only lower-case and upper-case letters, numbers, '_', '-', '.' are allowed., Attribute: vmStatic.name"},
	"NAME_TOO_LONG":            {http.StatusBadRequest, "Cannot {order}. The given name is too long., Attribute: vmStatic.name"},
	"MIN_MEMORY":               {http.StatusBadRequest, "Cannot {order}. Physical Memory Guaranteed cannot exceed Memory Size."},
	"MAX_MEMORY":               {http.StatusConflict, "Cannot {order}. Maximum memory size cannot be lower than memory size."},
	"CUSTOM_PROPERTIES":        {http.StatusBadRequest, "Cannot {order}. Custom properties are invalid: {what} is not a configured key."},
	"WITHOUT_DISK":             {http.StatusConflict, "Cannot {order} without at least one bootable disk.\nAlternatives:\n-Create a disk for this VM, and rerun the VM."},
	"CLOUD_INIT_AND_SYSPREP":   {http.StatusConflict, "Cannot {order}. Cloud-Init and Sysprep cannot be used at once."},
	"VM_NOT_FOUND":             {http.StatusBadRequest, "Cannot {order}. VM is not found."},
	"DISK_SPACE_LOW":           {http.StatusConflict, "Cannot {order}. Low disk space on Storage Domain {what}."},
	"NOT_ENOUGH_MAC":           {http.StatusConflict, "Cannot {order}. Not enough MAC addresses left in MAC Address Pool."},
	"VM_ATTACHED_TO_POOL":      {http.StatusConflict, "Cannot {order}. The VM is attached to a VM-Pool. Detach it from there first."},
	"VM_NOT_IN_POOL":           {http.StatusConflict, "Cannot {order}. The VM is not attached to a VM-Pool."},
	"NO_AVAILABLE_POOL_VMS":    {http.StatusConflict, "Cannot {order}. There are no available VMs in the VM-Pool."},
	"VM_POOL_NAME_IN_USE":      {http.StatusConflict, "Cannot {order}. The VM-Pool name is already in use."},
	"VM_POOL_PRESTARTED":       {http.StatusConflict, "Cannot {order}. The number of prestarted VMs cannot be larger than the size of the VM-Pool."},
	"VM_POOL_SHRINKS":          {http.StatusConflict, "Cannot {order}. The size of a VM-Pool cannot be decreased: detach VMs from it instead."},

	"VM_POOL_CANNOT_ATTACH_TO_MORE_VMS_FROM_POOL": {http.StatusConflict, "Cannot {order}. The user has as many VMs of this VM-Pool as one may have."},

	"NOT_AUTHORIZED":           {http.StatusForbidden, "User is not authorized to perform this action."},
	"ENGINE_MAINTENANCE":       {http.StatusConflict, "Cannot {order}. The engine is running in maintenance mode."},
	"DISK_IS_LOCKED":           {http.StatusConflict, "Cannot {order}: Disk is locked. Please try again in a few minutes."},
	"DISK_NOT_EXIST":           {http.StatusBadRequest, "Cannot {order}. The specified disk does not exist."},
	"DISK_CONFIGURATION":       {http.StatusBadRequest, "Cannot {order}. Disk configuration ({what}) is incompatible with the storage domain type."},
	"DISK_SIZE":                {http.StatusBadRequest, "Cannot {order}. Disk size must be greater than zero., Attribute: size"},
	"DISK_SHRINKS":             {http.StatusConflict, "Cannot {order}. New disk size must be larger than the current disk size."},
	"DISK_OF_TEMPLATE":         {http.StatusConflict, "Cannot {order}. The disk belongs to a template."},
	"DISK_IS_THERE":            {http.StatusConflict, "Cannot {order}. The disk already exists in the storage domain {what}."},
	"DISK_IS_ATTACHED":         {http.StatusConflict, "Cannot {order}. The disk is already attached to VM {what}."},
	"DISK_BOOTABLE_THERE":      {http.StatusConflict, "Cannot {order}. VM {what} already has a bootable disk."},
	"DISK_NOT_IN_DOMAIN":       {http.StatusBadRequest, "Cannot {order}. The template's disk is not in the storage domain {what}."},
	"STORAGE_DOMAIN_NOT_EXIST": {http.StatusBadRequest, "Cannot {order}. Storage Domain doesn't exist."},
	"STORAGE_DOMAIN_TYPE":      {http.StatusConflict, "Cannot {order}. The Storage Domain type \"{what}\" is not supported for disks."},
	"STORAGE_DOMAIN_STATUS":    {http.StatusConflict, "Cannot {order}. The relevant Storage Domain's status is {what}."},
	"STORAGE_DOMAIN_IN_USE":    {http.StatusConflict, "Cannot {order}. The Storage Domain has disks of running VMs: {what}."},
	"HOST_NOT_EXIST":           {http.StatusBadRequest, "Cannot {order}. The provided host does not exist."},
	"INSTANCE_TYPE_NOT_EXIST":  {http.StatusBadRequest, "Cannot {order}. Instance type does not exist."},
	"TEMPLATE_NAME_IN_USE":     {http.StatusConflict, "Cannot {order}. The Template name is already in use, please choose a unique name and try again."},
	"BLANK_TEMPLATE":           {http.StatusConflict, "Cannot {order}. Blank Template cannot be removed."},
	"DERIVED_VMS":              {http.StatusConflict, "Cannot {order}. Template is being used by the following VMs: {what}."},
	"NIC_NAME_IN_USE":          {http.StatusConflict, "Cannot {order}. The network interface name is already in use by another interface of the VM."},
	"NIC_PLUGGED":              {http.StatusConflict, "Cannot {order}. Active network interfaces cannot be removed from a running VM, please deactivate it first."},
	"MAC_IN_USE":               {http.StatusConflict, "Cannot {order}. MAC Address {what} is already in use."},
	"NETWORK_NOT_EXIST":        {http.StatusBadRequest, "Cannot {order}. The specified network doesn't exist."},
	"VNIC_PROFILE_NOT_EXIST":   {http.StatusBadRequest, "Cannot {order}. The specified VM network interface profile doesn't exist."},
	"VNIC_PROFILE_NAME_IN_USE": {http.StatusConflict, "Cannot {order}. The VM network interface profile's name is already used by an existing profile for the same network."},
	"VNIC_PROFILE_IN_USE":      {http.StatusConflict, "Cannot {order}. The VM network interface profile is used by {what}."},
	"TAG_NAME":                 {http.StatusBadRequest, "Cannot {order}. The Tag name may have letters, digits, '-' and '_' only., Attribute: tag.tagName"},
	"TAG_NAME_IN_USE":          {http.StatusConflict, "Cannot {order}. The Tag name is already in use."},
	"AFFINITY_NAME_IN_USE":     {http.StatusConflict, "Cannot {order}. The Affinity Group name is already in use in this cluster."},
	"AFFINITY_VM":              {http.StatusConflict, "Cannot {order}. The Affinity Group and all of its VMs must be in the same cluster."},
	"CONSOLE_THERE":            {http.StatusConflict, "Cannot {order}. The VM has a graphics device of type {what} already."},
	"SNAPSHOT_ACTIVE":          {http.StatusConflict, "Cannot {order}. The VM runs on it."},
	"SNAPSHOT_LOCKED":          {http.StatusConflict, "Cannot {order}. The snapshot is locked. Please try again in a few minutes."},
	"NO_SUCH_FILE":             {http.StatusConflict, "Cannot {order}. The ISO image {what} cannot be found."},
	"TRANSFER_OVER":            {http.StatusConflict, "Cannot {order}. The image transfer is over: {what}."},
	"INTERNAL":                 {http.StatusInternalServerError, "Internal Engine Error"},
}
