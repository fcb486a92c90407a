// What several YAML files of crds/ share is written once: in parts/, or in a table. `npm run generate` puts it between the lines `# begin
// NAME` and `# end NAME` of each file.
import { Document, isCollection, isPair, parse, visit } from 'yaml'

/** A kind of place where files may lie, from parts/locations.yaml. */
type LocationPart = { readonly standsIn: readonly string[]; readonly schema: ObjectSchema }

type ObjectSchema = {
  readonly type: string
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, ObjectSchema>>
  readonly default?: unknown
}

/** The text of a YAML file with everything between markers made anew; `part` gives the lines for a name, not indented. */
export function withParts(text: string, part: (name: string) => string): string {
  return text.replace(
    /^( *)# begin ([\w-]+)\n[\s\S]*?^\1# end \2$/gm,
    (_, indent: string, name: string) =>
      `${indent}# begin ${name}\n${indented(part(name).trimEnd(), indent)}\n${indent}# end ${name}`,
  )
}

/** The kinds of places where a resource's files may lie; the resource names exactly one. `parts`: text of parts/locations.yaml. */
export function locationOf(resource: string, parts: string): string {
  const names = namesIn(resource, parse(parts))
  const listed = `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
  const has = names.map((name) => `has(self.${name})`)
  const only = `required: [${names[0]}]\n`
  const one = [
    'x-kubernetes-validations:',
    `  - rule: "[${has.join(', ')}].exists_one(one, one)"`,
    `    message: "invalid-value: a location is exactly one of ${listed}."`,
    '    messageExpression: >-',
    `      (${has.join(' || ')} ? 'invalid-value' : 'missing-field')`,
    `      + ': a location is exactly one of ${listed}.'`,
    '',
  ].join('\n')
  const schemas = names.map((name) => {
    const [, schema = ''] = new RegExp(`^${name}:\\n(?: .*\\n)*?  schema:\\n((?:    .*\\n)+)`, 'm').exec(parts) ?? []
    return `  ${name}:\n${schema.replace(/^ *default: .*\n/gm, '')}`
  })
  return `${names.length === 1 ? only : one}properties:\n${schemas.join('')}`
}

/**
 * Places as a JobPlan holds them: a definition for each kind, and one for the location of each resource that the plan's schema refers to.
 * All fields that have a default are required; bounds are checked by the CRDs.
 */
export function planLocations(parts: string, plan: string): string {
  const locations: Record<string, LocationPart> = parse(parts)
  const resources = new Set([...plan.matchAll(/#\/definitions\/(\w+)Location'/g)].map(([, resource]) => resource!))
  const kinds = Object.entries(locations).map(([name, { schema }]) => [definitionOf(name), shapeOf(schema)])
  const places = [...resources]
    .filter((resource) => namesIn(resource, locations).length > 0)
    .map((resource) => {
      const refs = namesIn(resource, locations).map((name) => [name, { $ref: `#/definitions/${definitionOf(name)}` }])
      return [`${resource}Location`, { ...closed(Object.fromEntries(refs)), minProperties: 1, maxProperties: 1 }]
    })
  return onFewLines({ ...Object.fromEntries(kinds), ...Object.fromEntries(places) })
}

/** TypeScript for the default of each field, by kind of place. */
export function locationDefaults(parts: string): string {
  const locations: Record<string, LocationPart> = parse(parts)
  const defaults = Object.entries(locations).map(([name, { schema }]) => [name, defaultsIn(schema)])
  return `export const locationDefaults = ${JSON.stringify(Object.fromEntries(defaults), null, 2)} as const\n`
}

function namesIn(resource: string, locations: Record<string, LocationPart>): string[] {
  return Object.keys(locations).filter((name) => locations[name]!.standsIn.includes(resource))
}

function definitionOf(name: string): string {
  return `${name.charAt(0).toUpperCase()}${name.slice(1)}Location`
}

function shapeOf({ type, required = [], properties }: ObjectSchema): object {
  if (!properties) return { type }
  const defaulted = Object.keys(properties).filter((name) => properties[name]!.default !== undefined)
  const shapes = Object.entries(properties).map(([name, schema]) => [name, shapeOf(schema)])
  return { required: [...required, ...defaulted], ...closed(Object.fromEntries(shapes)) }
}

function closed(properties: object): object {
  return { type: 'object', additionalProperties: false, properties }
}

function defaultsIn({ properties = {} }: ObjectSchema): object {
  return Object.fromEntries(
    Object.entries(properties).flatMap(([name, { default: value }]) => (value === undefined ? [] : [[name, value]])),
  )
}

/** The value as YAML; lists, and maps of scalars only, are on one line each. */
function onFewLines(value: object): string {
  const document = new Document(value, { aliasDuplicateObjects: false })
  visit(document, {
    Collection(_, node) {
      node.flow = !node.items.some((item) => isCollection(isPair(item) ? item.value : item))
    },
  })
  return document.toString({ lineWidth: 140, singleQuote: true })
}

function indented(text: string, indent: string): string {
  return text.replace(/^(?=.)/gm, indent)
}
