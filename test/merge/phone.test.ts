import { getCountries, getExampleNumber, parsePhoneNumberFromString } from 'libphonenumber-js/min'
import examples from 'libphonenumber-js/mobile/examples'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { countries } from '../../compiler/countries.ts'
import { phoneSql } from '../../jobs/merge/phone.ts'
import { openWorkspace, type Workspace } from '../ingest/workspace.ts'

let workspace: Workspace
beforeAll(async () => void (workspace = await openWorkspace()))
afterAll(() => workspace[Symbol.asyncDispose]())

async function inE164(country: string, texts: readonly string[]): Promise<readonly unknown[]> {
  const list = texts.map((text) => `'${text.replaceAll("'", "''")}'`).join(', ')
  const rows = await workspace.engine.rows(
    `SELECT ${phoneSql('t', country)} AS number FROM (SELECT unnest([${list}]) AS t, generate_subscripts([${list}], 1) AS i) ORDER BY i`,
  )
  return rows.map((row) => row['number'])
}

test.each<[string, string, string | null]>([
  ['DE', '0151 12345678', '+4915112345678'],
  ['DE', '+49 (0)151 12345678', '+4915112345678'],
  ['DE', '(+49) 0151-12345678', '+4915112345678'],
  ['DE', '0049/151/12345678', '+4915112345678'],
  ['DE', '004915112345678', '+4915112345678'],
  ['DE', 'tel:+49-151-12345678', '+4915112345678'],
  ['DE', '030 901820 ext. 12', '+4930901820'],
  ['DE', '+1 415 555 2671', '+14155552671'],
  ['DE', '0043 664 123456', '+43664123456'],
  ['US', '(415) 555-2671', '+14155552671'],
  ['US', '1-415-555-2671', '+14155552671'],
  ['US', '011 49 151 12345678', '+4915112345678'],
  ['GB', '020 7946 0958', '+442079460958'],
  ['FR', '06.12.34.56.78', '+33612345678'],
  ['IT', '06 1234567', '+39061234567'],
  ['IT', '340 1234567', '+393401234567'],
  ['ES', '612 345 678', '+34612345678'],
  ['ES', '34612345678', '+34612345678'],
  ['RU', '8 (912) 345-67-89', '+79123456789'],
  ['HU', '06 20 123 4567', '+36201234567'],
  ['BR', '(11) 96123-4567', '+5511961234567'],
  ['DE', 'none', null],
  ['DE', '', null],
  ['DE', '12', null],
  ['DE', '+', null],
  ['DE', '2026-01-31T10:00', null],
  ['DE', '+49 151 1234567890123456', null],
])('in %s `%s` is %s', async (country, text, expected) => {
  expect(await inE164(country, [text])).toEqual([expected])
})

test('numbers of every country, as they are written there and abroad, are what libphonenumber reads', async () => {
  const different: string[] = []
  for (const country of getCountries()) {
    const example = getExampleNumber(country, examples)
    if (!example) continue
    const texts = [
      example.formatNational(),
      example.formatInternational(),
      example.number,
      example.formatNational().replaceAll(' ', '-'),
      `${example.countryCallingCode}${example.nationalNumber}`,
      example.nationalNumber,
    ]
    const numbers = await inE164(country, texts)
    for (const [index, text] of texts.entries()) {
      const wanted = parsePhoneNumberFromString(text, { defaultCountry: country, extract: false })?.number ?? null
      if (wanted !== numbers[index]) different.push(`${country} ${text}: ${numbers[index]}, not ${wanted}`)
    }
  }
  expect(different).toEqual([])
})

test('every country that check lets pass has a plan, and the other way round', () => {
  expect([...countries].sort()).toEqual(getCountries().sort())
})
