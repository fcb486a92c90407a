import { nearest } from '../suggest.ts'

/**
 * Whether the name is in the IANA time zone database, links (`US/Eastern`, `Asia/Kolkata`) included: the runtime's Intl knows it, it has
 * the database's capitals, and it is neither an offset (`+01:00`) nor an abbreviation that only Intl knows (`IST`, `PST`). `Local` is not
 * a zone.
 */
export function isTimeZone(name: string): boolean {
  return (
    shape.test(name) &&
    (!/^[A-Z]{3}$/.test(name) || abbreviations.has(name)) &&
    known(name) &&
    (spellings().get(name.toLowerCase()) ?? name) === name
  )
}

/** Up to three zones that were probably meant, likeliest first; a city's name alone and an offset from UTC are understood. */
export function suggestTimeZones(name: string): string[] {
  const wanted = name.trim().toLowerCase().replace(/ /g, '_')
  const exact = spellings().get(wanted) ?? offsetZone(wanted)
  if (exact) return [exact]
  const city = wanted.slice(wanted.lastIndexOf('/') + 1)
  const namesakes = [...spellings()].filter(([spelling]) => spelling.endsWith(`/${city}`)).map(([, zone]) => zone)
  if (namesakes.length > 0) return namesakes.slice(0, 3)
  const region = wanted.slice(0, -city.length)
  const neighbours = [...spellings().keys()]
    .filter((spelling) => spelling.startsWith(region))
    .map((spelling) => spelling.slice(region.length))
  const near = nearest(city, neighbours).map((neighbour) => spellings().get(region + neighbour)!)
  return near.length > 0 ? near : nearest(name, spellings().values())
}

// Every segment of a name starts with a capital; `SystemV/PST8PDT` is Intl's own.
const shape = /^(?!SystemV\/)[A-Z][A-Za-z0-9_+-]*(?:\/[A-Z][A-Za-z0-9_+-]*)*$/

/** The database's own names of three capitals. All others that Intl accepts come from Java, and are ambiguous. */
const abbreviations = new Set('CET EET EST GMT HST MET MST PRC ROC ROK UCT UTC WET'.split(' '))

/** Present names that Intl does not list, since it uses the older ones. */
const renamed = `
  Africa/Asmara America/Argentina/Buenos_Aires America/Argentina/Catamarca America/Argentina/Cordoba America/Argentina/Jujuy America/Argentina/Mendoza
  America/Atikokan America/Indiana/Indianapolis America/Kentucky/Louisville America/Nuuk Asia/Ho_Chi_Minh Asia/Kathmandu Asia/Kolkata Asia/Yangon
  Atlantic/Faroe Etc/UTC Europe/Kyiv Pacific/Chuuk Pacific/Kanton Pacific/Pohnpei UTC`
  .trim()
  .split(/\s+/)

let spellingsMemo: ReadonlyMap<string, string> | undefined

/** Present names by their lower case. */
function spellings(): ReadonlyMap<string, string> {
  spellingsMemo ??= new Map(
    [...Intl.supportedValuesOf('timeZone'), ...renamed].map((name) => [name.toLowerCase(), name]),
  )
  return spellingsMemo
}

const knownBefore = new Set<string>()

function known(name: string): boolean {
  if (knownBefore.has(name)) return true
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name })
    knownBefore.add(name)
    return true
  } catch {
    return false
  }
}

/** The zone for an offset. `Etc/GMT-2` is two hours ahead of UTC: the database's sign is reversed. */
function offsetZone(text: string): string | undefined {
  const [, sign, hours] = /^(?:utc|gmt)?([+-])0?(\d{1,2})(?::?00)?$/.exec(text) ?? []
  const name = Number(hours) === 0 ? 'Etc/UTC' : `Etc/GMT${sign === '+' ? '-' : '+'}${hours}`
  return hours && known(name) ? name : undefined
}
