// Package trigger is timetables: cron expressions in a time zone, and what is due.
//
// [Parse] reads an expression, [Schedule.Next] gives its occurrences, and [Due] plans
// from the caller's watermark what to start now and what has been missed. Nothing here
// reads a clock or keeps anything.
//
// # The language
//
// Five fields (minute, hour, day of month, month, day of week) with *, lists, ranges,
// steps and English names; @hourly, @daily, @midnight, @weekly, @monthly, @yearly,
// @annually; "@every 1h30m", which counts from 1970, so that a restart does not move it.
// Sunday is 0 or 7, and days of the week may wrap around: sat-sun, 5-7. A zone may stand
// in front: "TZ=Europe/Berlin 0 2 * * *".
//
// If both day fields are restricted, either may match, as in Vixie's cron. A field with
// a star in it is not restricted, also with a step: "0 0 */2 * mon" is Mondays on odd
// days.
//
// Refused are what robfig/cron would take and nobody means: empty list elements, a star
// as the end of a range, steps larger than the field (which would run once an hour), and
// expressions that never happen, such as 31 February.
//
// # Daylight saving
//
// An expression for every hour (a star in the hour field) follows elapsed time: what the
// clock skips does not happen, what it repeats happens again. One for certain hours is
// about the clock on the wall: if its time is skipped, it happens as soon as the skip is
// over (or not, with [SkipGap]); if it is repeated, the first one counts (or the last, or
// both). Two times skipped at once are one occurrence. So a nightly run is one each
// night.
//
// # Once
//
// An occurrence is an instant. The caller keeps a watermark, the last occurrence that
// was decided, and stores the plan's new one in the same transaction with what it
// starts: then each occurrence is started at most once, whatever the clock does.
package trigger
