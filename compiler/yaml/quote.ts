import { readPlain } from './plain-scalar.ts'

/** Text as a YAML scalar: bare where every reader, in every place (also inside brackets), reads that same text; else in double quotes. */
export function quoteIfNeeded(value: string): string {
  return isBareAnywhere(value) ? value : doubleQuoted(value)
}

/** JSON's quoting, and escapes for what YAML must not find bare between quotes. */
export function doubleQuoted(value: string): string {
  return JSON.stringify(value).replace(unprintable, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

const unprintable = /[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/g

/** Whether text may stand bare inside brackets, the narrowest case: no indicator first; no bracket, comma, colon or comment sign inside. */
function isBareAnywhere(value: string): boolean {
  return (
    /^[A-Za-z0-9_./$(\xa1-\u1fff][\w ./$()=<>%*@+\-\xa1-\u1fff]*$/.test(value) &&
    value.trimEnd() === value &&
    readPlain(value) === value
  )
}
