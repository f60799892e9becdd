package grid

// PathAttr is the attribute of a job that names the deployments of Gridburst which have had it
// before, the first first, with blanks between. None of them takes it again.
const PathAttr = "GridburstPath"
