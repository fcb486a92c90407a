import { type LinkMemory, openLinkMemory } from './link.ts'
import { openPlanMemory, type PlanMemory } from './plan.ts'
import { openReadMemory, type ReadMemory } from './source.ts'

/**
 * What compilations of one thing that changes little by little, a workspace or a namespace, leave for the next one: what did not change
 * is not read, checked or planned again. A session changes no result, and letting it go frees all of it.
 */
export type Session = ReadMemory & LinkMemory & PlanMemory

export function openSession(): Session {
  return { ...openReadMemory(), ...openLinkMemory(), ...openPlanMemory() }
}
