import { filledFileName } from '#crds'
import type { ActivationModel, SegmentModel } from './model.ts'

/** The macros of a Destination's nameTemplate, each with an example value. */
export const fileNameMacros: { readonly [macro: string]: string } = {
  destination: 'landing-zone',
  activation: 'retention-offers',
  segment: 'gold-members',
  segmentName: 'Gold members',
  organization: 'acme',
  timestamp: '20261201T040000Z',
  unix: '1796097600',
}

/** Every `{…}` of a template with its place in the text. */
export function macrosOf(
  template: string,
): readonly { readonly name: string; readonly start: number; readonly end: number }[] {
  return [...template.matchAll(/\{([^{}]*)\}/g)].map((match) => ({
    name: match[1]!,
    start: match.index,
    end: match.index + match[0].length,
  }))
}

/** The name of a Segment's file, without split number and extension, for an example's times. `organization` is the instance's. */
export function exampleFileName(activation: ActivationModel, segment: SegmentModel, organization: string): string {
  const { destination, resource } = activation
  const template = destination?.spec.file.nameTemplate ?? ''
  const values: Readonly<Record<string, string>> = {
    ...fileNameMacros,
    destination: destination?.name ?? '',
    activation: resource.name,
    segment: segment.resource.name,
    segmentName: segment.resource.spec.displayName,
    organization,
  }
  return filledFileName(template, values)
}
