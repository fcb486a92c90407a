import type { DataType, TransformStepPlan } from '#crds'
import { literal } from './engines/duckdb.ts'

/**
 * SQL for a text after the steps; NULL where there is none. `fieldText` gives SQL for another field's text. `broken` is SQL for whether a
 * step met a text that it cannot take; null where no step can fail.
 */
export function transformed(
  text: string,
  steps: readonly TransformStepPlan[],
  fieldText: (source: string, type: DataTypeOfPart) => string,
): { readonly sql: string; readonly broken: string | null } {
  const broken: string[] = []
  const sql = steps.reduce((before, step) => {
    if (typeof step === 'object' && 'parseJson' in step)
      broken.push(`(${before} IS NOT NULL AND NOT json_valid(${before}))`)
    return stepSql(before, step, fieldText)
  }, text)
  return { sql, broken: broken.length === 0 ? null : broken.join(' OR ') }
}

/** The type of another field, where it is known. */
type DataTypeOfPart = DataType | undefined

function stepSql(
  text: string,
  step: TransformStepPlan,
  fieldText: (source: string, type: DataTypeOfPart) => string,
): string {
  if (typeof step === 'string')
    switch (step) {
      case 'Lowercase':
        return `lower(${text})`
      case 'Uppercase':
        return `upper(${text})`
      case 'Trim':
        return `trim(${text}, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || chr(160))`
      case 'SHA256':
        return `sha256(${text})`
    }
  if ('constant' in step) return literal(step.constant)
  if ('concat' in step) {
    const parts = step.concat.map((part) => {
      if (typeof part === 'string') return { sql: literal(part), isGiven: true }
      return { sql: part === null ? text : fieldText(part.source, part.type), isGiven: false }
    })
    const joined = `concat(${parts.map(({ sql }) => sql).join(', ')})`
    const looked = parts.filter(({ isGiven }) => !isGiven).map(({ sql }) => sql)
    // Constant texts alone do not make a value: at least one field has to have one.
    return looked.length === 0 ? joined : `CASE WHEN coalesce(${looked.join(', ')}) IS NOT NULL THEN ${joined} END`
  }
  if ('split' in step) {
    const { by, index } = step.split
    const pieces = `string_split(${text}, ${literal(by)})`
    if (index === null) return `CASE WHEN ${text} IS NOT NULL THEN to_json(${pieces})::VARCHAR END`
    return `nullif(${pieces}[${index < 0 ? index : index + 1}], '')`
  }
  const path = ['$', ...step.parseJson.map((name) => JSON.stringify(name))].join('.')
  return `CASE WHEN json_valid(${text}) THEN CAST(${text} AS JSON) ->> ${literal(path)} END`
}

/** A step as people read it. */
export function stepName(step: TransformStepPlan): string {
  return typeof step === 'string' ? step : Object.keys(step)[0]!
}
