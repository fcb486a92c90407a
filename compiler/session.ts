import { type LinkMemory, openLinkMemory } from './link.ts'
import { openPlanMemory, type PlanMemory } from './plan.ts'
import { openReadMemory, type ReadMemory } from './source.ts'

/**
 * What compilations of one thing that changes little by little, a workspace or a namespace, leave for the next: what did not change is
 * neither read nor checked nor planned again. It changes no result, and all of it is let go with the session.
 */
export type Session = ReadMemory & LinkMemory & PlanMemory

export function openSession(): Session {
  return { ...openReadMemory(), ...openLinkMemory(), ...openPlanMemory() }
}
