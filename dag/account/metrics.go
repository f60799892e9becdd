package account

import (
	"encoding/json"
	"time"

	"gridburst/dag"
	"gridburst/internal/grid"
)

// Run is what metrics say of a run beside its nodes.
type Run struct {
	ID      uint32
	Parent  uint32 // the run whose sub-DAG it is; 0: none
	Rescue  int32  // the number of the rescue file that it began with
	Started time.Time
	Ended   time.Time
	Client  string // the program
	Version string
}

// Metrics is DAGMan's metrics file. Its nodes have two names: those of HTCondor until 23,
// and those from 24 on.
func Metrics(r *dag.Run, m Run) ([]byte, error) {
	out := map[string]any{
		"client": m.Client, "version": m.Version, "type": "metrics", "metrics_version": 2,
		"start_time": seconds(m.Started), "end_time": seconds(m.Ended), "duration": m.Ended.Sub(m.Started).Round(time.Millisecond).Seconds(),
		"exitcode": r.Return, "dagman_id": m.ID, "parent_dagman_id": m.Parent, "rescue_dag_number": m.Rescue,
		"has_final_node": r.Final() >= 0, "DagStatus": int(r.Fares()),
	}
	var all, failed, done, subs, subsFailed, subsDone, services, servicesFailed, servicesDone, provisioners, run, submitted int
	for i := range int32(r.Graph.Len()) {
		n, rec := &r.Graph.Nodes[i], r.Record(i)
		bad := rec.State == grid.NodeFailed && rec.Exit != dag.ExitRemoved
		good := rec.State == grid.NodeDone
		count := func(total, f, d *int) {
			*total++
			if bad {
				*f++
			}
			if good {
				*d++
			}
		}
		submitted += int(rec.Attempt)
		switch {
		case n.Kind == dag.ServiceNode:
			count(&services, &servicesFailed, &servicesDone)
			continue
		case n.Subdag:
			count(&subs, &subsFailed, &subsDone)
		default:
			count(&all, &failed, &done)
		}
		if n.Kind == dag.ProvisionerNode {
			provisioners++
		}
		if bad || good {
			run++
		}
	}
	for name, n := range map[string]int{
		"nodes": all, "nodes_failed": failed, "nodes_succeeded": done, "dag_nodes": subs, "dag_nodes_failed": subsFailed, "dag_nodes_succeeded": subsDone,
		"total_nodes": all + subs, "total_nodes_run": run,
		"jobs": all, "jobs_failed": failed, "jobs_succeeded": done, "dag_jobs": subs, "dag_jobs_failed": subsFailed, "dag_jobs_succeeded": subsDone,
		"total_jobs": all + subs, "total_jobs_run": run,
		"provisioner_nodes": provisioners, "service_nodes": services, "service_nodes_failed": servicesFailed, "service_nodes_succeeded": servicesDone,
		"jobs_submitted": submitted,
	} {
		out[name] = n
	}
	text, err := json.MarshalIndent(out, "", "    ")
	return append(text, '\n'), err
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
