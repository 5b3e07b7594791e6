package cli

import (
	"context"
	"time"
)

// finishTime is what an interrupted scan may take to analyse what it has read.
const finishTime = 5 * time.Second

// finishing returns a context for the work after collection: when the user interrupted
// the collection, what was read is still worth a report.
func finishing(ctx context.Context) (context.Context, context.CancelFunc) {
	if ctx.Err() == nil {
		return ctx, func() {}
	}
	return context.WithTimeout(context.WithoutCancel(ctx), finishTime)
}
