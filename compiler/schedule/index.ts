export { type Cron, type CronFault, parseCron } from './cron.ts'
export { cronSlots, latestCronSlot, nextCronSlot } from './cron-slots.ts'
export { type Due, type DueInput, dueSlot, onTimeSeconds } from './due-slot.ts'
export { runsMoreThanOnceADay, shortestCronGapSeconds } from './frequency.ts'
export {
  type AfterSchedule,
  type CronSchedule,
  type EverySchedule,
  everySlots,
  latestEverySlot,
  latestSlot,
  nextEverySlot,
  nextSlot,
  type Schedule,
  slotsBetween,
} from './schedule.ts'
export { isTimeZone, suggestTimeZones } from './time-zone.ts'
export { isReachable } from './wall-clock.ts'
