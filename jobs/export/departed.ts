import type { ExportPlan, RunInput } from '#crds'

type Segment = ExportPlan['segments'][number]

/** Deleted Segments of which something was delivered. One whose name is in the plan again is a Segment like any other. */
export function departedOf(
  { segments }: Pick<ExportPlan, 'segments'>,
  { departed = [] }: RunInput,
): readonly Segment[] {
  return departed.filter(({ name }) => !segments.some((segment) => segment.name === name))
}
