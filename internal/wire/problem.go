package wire

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"gridburst/internal/grid"
)

// Problem is the body of an answer that is not a success.
type Problem struct {
	Code    grid.Code `json:"code"`
	Message string    `json:"message"`
}

// Refuse answers a request of the contract with err, as its code and sentence say.
func Refuse(w http.ResponseWriter, err error) {
	code := grid.CodeOf(err)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(statusOf(code))
	// The status has said it all if the body does not arrive.
	_ = json.NewEncoder(w).Encode(Problem{Code: code, Message: grid.MessageOf(err)})
}

// Refusal is what [Refuse] wrote, as an error; nil for an answer of success. It
// reads the body only in the other case.
func Refusal(resp *http.Response) error {
	if resp.StatusCode/100 == 2 || resp.StatusCode == http.StatusSwitchingProtocols {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("read the answer %s: %w", resp.Status, err)
	}
	var p Problem
	if json.Unmarshal(body, &p) != nil || p.Code == "" {
		// Not one of ours: a proxy, or something else that listens there.
		return grid.Errorf(grid.Unavailable, "the schedd's address answered %s, which is not its own way to say it", resp.Status)
	}
	return grid.Errorf(p.Code, "%s", grid.Printable(p.Message))
}

func statusOf(c grid.Code) int {
	switch c {
	case grid.Invalid:
		return http.StatusBadRequest
	case grid.Unauthorized:
		return http.StatusUnauthorized
	case grid.Forbidden, grid.Refused:
		return http.StatusForbidden
	case grid.NotFound:
		return http.StatusNotFound
	case grid.Conflict, grid.Exists:
		return http.StatusConflict
	case grid.Gone:
		return http.StatusGone
	case grid.TooLarge:
		return http.StatusRequestEntityTooLarge
	case grid.NoSpace:
		return http.StatusInsufficientStorage
	case grid.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
