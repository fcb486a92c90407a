import { mostAdHocSegments } from '#crds'

/** Why an Activation is not run by hand, as a sentence; null where it may be. Both drivers and the command ask it. */
export function adHocRefusal(activation: string, segments: number): string | null {
  return segments > mostAdHocSegments
    ? `${activation} has ${segments} Segments, and an ad-hoc activation takes ${mostAdHocSegments} at most (ad-hoc-segments): it is not run by hand. Its schedule delivers it; make two Activations of it to run them by hand.`
    : null
}
