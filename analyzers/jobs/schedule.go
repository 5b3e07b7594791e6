package jobs

import (
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // the same answer on machines without time zones

	batchv1 "k8s.io/api/batch/v1"
)

// A schedule says when a CronJob is due. It reads the five fields as the controller does
// (github.com/robfig/cron, ParseStandard): bits of the minutes, hours, days, months and
// days of the week. A fixed period (@every) has no fields.
type schedule struct {
	minute, hour, day, month, week uint64
	anyDay, anyWeek                bool
	every                          time.Duration
	zone                           *time.Location
}

var shorthands = map[string]string{
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
	"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}

var (
	months = strings.Fields("jan feb mar apr may jun jul aug sep oct nov dec")
	days   = strings.Fields("sun mon tue wed thu fri sat")
)

// scheduleOf reads the schedule of a CronJob; ok is false where it cannot be read, or its
// time zone is not known here. Without one, that of the controller counts, mostly UTC.
func scheduleOf(cron *batchv1.CronJob) (s schedule, ok bool) {
	s.zone = time.UTC
	if name := cron.Spec.TimeZone; name != nil && *name != "" {
		zone, err := time.LoadLocation(*name)
		if err != nil {
			return s, false
		}
		s.zone = zone
	}
	text := strings.TrimSpace(cron.Spec.Schedule)
	if period, found := strings.CutPrefix(text, "@every "); found {
		d, err := time.ParseDuration(period)
		s.every = max(d.Truncate(time.Second), time.Second)
		return s, err == nil
	}
	if full, found := shorthands[text]; found {
		text = full
	}
	fields := strings.Fields(text)
	if len(fields) != 5 {
		return s, false
	}
	var parsed [5]uint64
	for i, bound := range []struct {
		min, max int
		names    []string
	}{{0, 59, nil}, {0, 23, nil}, {1, 31, nil}, {1, 12, months}, {0, 6, days}} {
		if parsed[i], ok = field(fields[i], bound.min, bound.max, bound.names); !ok {
			return s, false
		}
	}
	s.minute, s.hour, s.day, s.month, s.week = parsed[0], parsed[1], parsed[2], parsed[3], parsed[4]
	s.anyDay, s.anyWeek = wild(fields[2]), wild(fields[4])
	return s, true
}

func wild(f string) bool { return strings.HasPrefix(f, "*") || strings.HasPrefix(f, "?") }

// field reads "*/5", "1-5", "mon,wed", "0-30/10".
func field(text string, low, high int, names []string) (bits uint64, ok bool) {
	for part := range strings.SplitSeq(text, ",") {
		span, stepText, stepped := strings.Cut(part, "/")
		step, from, to := 1, low, high
		var err error
		if stepped {
			if step, err = strconv.Atoi(stepText); err != nil || step < 1 {
				return 0, false
			}
		}
		if span != "*" && span != "?" {
			a, b, ranged := strings.Cut(span, "-")
			if from, ok = number(a, low, names); !ok {
				return 0, false
			}
			switch {
			case ranged:
				if to, ok = number(b, low, names); !ok {
					return 0, false
				}
			case !stepped: // "5/15" is from 5 to the end
				to = from
			}
		}
		if from < low || to > high || from > to {
			return 0, false
		}
		for n := from; n <= to; n += step {
			bits |= 1 << n
		}
	}
	return bits, true
}

func number(text string, low int, names []string) (int, bool) {
	for i, name := range names {
		if strings.EqualFold(text, name) {
			return i + low, true
		}
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}

// horizon is how far ahead the controller looks for the next date.
const horizon = 5

// next is the first time after t at which it is due; zero when that never comes.
func (s schedule) next(t time.Time) time.Time {
	if s.every > 0 {
		return t.Add(s.every).Truncate(time.Second)
	}
	t = t.In(s.zone).Truncate(time.Minute).Add(time.Minute)
	last := t.AddDate(horizon, 0, 0)
	for t.Before(last) {
		year, month, day := t.Date()
		switch {
		case s.month&(1<<int(month)) == 0:
			t = time.Date(year, month+1, 1, 0, 0, 0, 0, s.zone)
		case !s.onDay(t):
			t = time.Date(year, month, day+1, 0, 0, 0, 0, s.zone)
		case s.hour&(1<<t.Hour()) == 0:
			t = t.Truncate(time.Minute).Add(time.Duration(60-t.Minute()) * time.Minute)
		case s.minute&(1<<t.Minute()) == 0:
			t = t.Add(time.Minute)
		default:
			return t.UTC()
		}
	}
	return time.Time{}
}

// onDay: when both days are restricted, either will do (crontab(5)).
func (s schedule) onDay(t time.Time) bool {
	day, week := s.day&(1<<t.Day()) != 0, s.week&(1<<int(t.Weekday())) != 0
	if s.anyDay || s.anyWeek {
		return day && week
	}
	return day || week
}

// due counts how often it was due after from, up to and including now, at most limit; the
// first of these times comes along.
func (s schedule) due(from, now time.Time, limit int) (n int, first time.Time) {
	for t := s.next(from); n < limit && !t.IsZero() && !t.After(now); t = s.next(t) {
		if n == 0 {
			first = t
		}
		n++
	}
	return n, first
}
