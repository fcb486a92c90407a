import { isSupportedCountry, Metadata } from 'libphonenumber-js/min'
import { literal } from '../engines/duckdb.ts'
import { JobError } from '../errors.ts'

/**
 * SQL for a phone number in E.164 (`+4915112345678`), from its text without white space around it, as dialled from `country`; NULL for
 * what is no phone number. A number of that country is read by its numbering plan, as libphonenumber reads it; other countries' numbers
 * only lose their punctuation. Throws JobError InvalidPlan for a country that has no plan.
 */
export function phoneSql(text: string, country: string): string {
  const plan = numberingPlan(country)
  const code = plan.callingCode
  // An extension is no part of the number, nor is the trunk zero beside a country code: +49 (0)30 …
  const bare = `CASE WHEN regexp_full_match(t, ${plain}) THEN t ELSE regexp_replace(regexp_replace(t, ${re(' ?(?:x|#|ext\\.?|;ext=)[ .:]*[0-9]{1,7}$')}, '', 'i'), ${re('^tel:')}, '', 'i') END`
  const compact = (number: string) => `regexp_replace(${number}, '[^0-9+]', '', 'g')`
  const national = (digits: string) => strippedOf(digits, plan)
  const afterCode = (digits: string) => `substr(${digits}, ${code.length + 1})`
  const ofCountry = (digits: string) => `CASE WHEN ${hasLength(digits, plan)} THEN '+${code}' || ${digits} END`
  const international = `CASE WHEN starts_with(d, '${code}') THEN ${once('n', national(afterCode('d')), ofCountry('n'))}
    WHEN length(d) BETWEEN 7 AND 15 AND NOT starts_with(d, '0') THEN '+' || d END`
  // The plus may have been left out: as it stands the number does not fit the country, without the country code it does.
  const isCoded = `starts_with(d, '${code}') AND (length(d) > ${plan.longest} OR
    (NOT ${matches('d', plan.pattern)} AND NOT ${matches(national('d'), plan.pattern)} AND ${matches(national(afterCode('d')), plan.pattern)}))`
  const dialled = `CASE WHEN starts_with(c, '+') THEN ${once('d', `replace(c, '+', '')`, international)}
    WHEN starts_with(c, '00${code}') THEN ${once('d', 'substr(c, 3)', international)}
    WHEN regexp_matches(c, ${re(`^(?:${plan.internationalPrefix})[1-9]`)}) THEN ${once('d', `regexp_replace(c, ${re(`^(?:${plan.internationalPrefix})`)}, '')`, international)}
    ELSE ${once('d', `replace(c, '+', '')`, `CASE WHEN ${isCoded} THEN ${once('n', national(afterCode('d')), ofCountry('n'))} ELSE ${once('n', national('d'), ofCountry('n'))} END`)} END`
  return once(
    't',
    text,
    `CASE WHEN regexp_full_match(t, ${re(`\\+${code}[1-9][0-9]{${plan.shortest - 1},${plan.longest - 1}}`)}) THEN t ELSE ${once(
      'b',
      bare,
      `CASE WHEN regexp_full_match(b, ${plain}) THEN ${once(
        'c',
        compact(
          `CASE WHEN contains(b, '(0)') AND regexp_matches(b, ${re(`^[(]?(?:\\+|${plan.internationalPrefix})`)}) THEN replace(b, '(0)', '') ELSE b END`,
        ),
        dialled,
      )} END`,
    )} END`,
  )
}

/** A number in digits, with the characters that people put between them. */
const plain = literal('[+(]{0,2}[-0-9 ()./\\x{2010}-\\x{2015}\\x{a0}]{3,30}')

type NumberingPlan = ReturnType<typeof numberingPlan>

function numberingPlan(country: string) {
  if (!isSupportedCountry(country))
    throw new JobError('InvalidPlan', `There is no country ${country} of phone numbers.`)
  const metadata = new Metadata()
  metadata.selectNumberingPlan(country)
  // The library's types leave out fields that its own parser uses.
  const plan = metadata.numberingPlan as unknown as {
    readonly callingCode: () => string
    readonly IDDPrefix: () => string
    readonly nationalNumberPattern: () => string
    readonly possibleLengths: () => readonly number[]
    readonly nationalPrefixForParsing: () => string | undefined | 0
    readonly nationalPrefixTransformRule: () => string | undefined | 0
  }
  return {
    callingCode: plan.callingCode(),
    internationalPrefix: plan.IDDPrefix(),
    pattern: plan.nationalNumberPattern(),
    shortest: Math.min(...plan.possibleLengths()),
    longest: Math.max(...plan.possibleLengths()),
    prefix: plan.nationalPrefixForParsing() || undefined,
    rule: plan.nationalPrefixTransformRule() || undefined,
  }
}

/** A national number without the long-distance prefix, unless only the number with the prefix is valid. */
function strippedOf(digits: string, { prefix, rule, pattern }: NumberingPlan): string {
  if (prefix === undefined) return digits
  const start = re(`^(?:${prefix})`)
  const without = `regexp_replace(${digits}, ${start}, '')`
  const groups = [...prefix.matchAll(/\((?!\?)/g)].length
  const stripped =
    rule === undefined || groups === 0
      ? without
      : `CASE WHEN regexp_extract(${digits}, ${start}, ${groups}) <> '' THEN regexp_replace(${digits}, ${start}, ${literal(rule.replaceAll('$', '\\'))}) ELSE ${without} END`
  return `CASE WHEN ${matches(digits, pattern)} AND NOT ${matches(stripped, pattern)} THEN ${digits} ELSE ${stripped} END`
}

function matches(digits: string, pattern: string): string {
  return `regexp_full_match(${digits}, ${re(pattern)})`
}

function hasLength(digits: string, { shortest, longest }: NumberingPlan): string {
  return `length(${digits}) BETWEEN ${shortest} AND ${longest}`
}

/** SQL in which `name` stands for a value that is computed once. */
function once(name: string, value: string, expression: string): string {
  return `list_transform([${value}], lambda ${name}: ${expression})[1]`
}

function re(pattern: string): string {
  return literal(pattern)
}
