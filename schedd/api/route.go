package api

// Routes is what goes on on the routes to targets outside of the pool.
type Routes struct {
	Routes []Route `json:"routes"`
}

// Route is one, or a target that jobs ask for themselves.
type Route struct {
	Name     string `json:"name,omitempty"` // empty: of jobs that ask for the target themselves
	Target   string `json:"target" doc:"as a grid_resource names it"`
	MaxJobs  int    `json:"max_jobs"`
	MaxIdle  int    `json:"max_idle_jobs,omitempty" doc:"0: no bound"`
	Throttle string `json:"throttle,omitempty"`
	Down     string `json:"down,omitempty" doc:"why its target takes nothing now"`
	Gone     bool   `json:"gone,omitempty" doc:"it is not configured any more: its jobs go on, and how it is steered is kept"`
	Steered
	RouteUse
}

// RouteUse counts the jobs on a route.
type RouteUse struct {
	Jobs    int `json:"jobs"`
	Idle    int `json:"idle" doc:"that do not run there"`
	Running int `json:"running"`
	Held    int `json:"held" doc:"of the idle ones: the target holds them"`
	Unknown int `json:"unknown" doc:"of the idle ones: whether the target has them is not known"`
}
