package api

// Configuration is the configuration that is in force.
type Configuration struct {
	File     string          `json:"file,omitempty" doc:"Where it is kept; none: the schedd runs without one"`
	Version  int             `json:"version,omitempty" doc:"Its number among those that were in force; none: it was the first"`
	Since    int64           `json:"since" doc:"Seconds since 1970"`
	Text     string          `json:"text"`
	Versions []ConfigVersion `json:"versions" doc:"Those that were in force, the oldest first"`
}

// ConfigVersion is a configuration that was put in force.
type ConfigVersion struct {
	Version int    `json:"version"`
	Time    int64  `json:"time" doc:"Seconds since 1970"`
	By      string `json:"by,omitempty" doc:"Who has put it in force; none: it was found at a start"`
	Reason  string `json:"reason,omitempty"`
}

// ConfigQuery asks for one version; 0: the one in force.
type ConfigQuery struct {
	Version int `query:"version"`
}

// Configure puts a configuration in force: a text, or an earlier version.
type Configure struct {
	Text    string `json:"text,omitempty"`
	Version int    `json:"version,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Check   bool   `json:"check,omitempty" doc:"Only say whether it could be put in force"`
}

// Configured is what became of that.
type Configured struct {
	Version int      `json:"version"`
	Notes   []string `json:"notes,omitempty" doc:"what comes of it, or would, beside what its text says"`
}
