import type { FunctionEntry } from './function-entry.ts'

/** Functions that PQL does not have, with their manual entries, like the rows of `functions`. */
export const extensionFunctions = {
  length: {
    form: 'method',
    group: 'text',
    extension: true,
    signature: 'text.length()',
    doc: 'How many characters (code points) the text has.',
    examples: [
      ['person.name.lastName.length() = 6', true],
      ['person.name.middleName.length() >= 0', false],
    ],
  },
  trim: {
    form: 'method',
    group: 'text',
    extension: true,
    signature: 'text.trim()',
    doc: 'The text without spaces, tabs, line ends and no-break spaces at both ends.',
    examples: [
      ['" \\t Ann\\n".trim() = person.name.firstName', true],
      ['" a b ".trim().length() = 3', true],
    ],
  },
  concat: {
    form: 'method',
    group: 'text',
    extension: true,
    signature: 'text.concat(text[, …])',
    doc: 'The texts joined; absent where one of them is.',
    examples: [
      ['person.name.firstName.concat(" ", person.name.lastName) = "Ann Müller"', true],
      ['person.name.firstName.concat(person.name.middleName).isNull()', true],
    ],
  },
  split: {
    form: 'method',
    group: 'text',
    extension: true,
    signature: 'text.split(separator)',
    doc: 'The pieces between the separators (a literal), empty ones too.',
    examples: [
      ['personalEmail.address.split("@") = ["ann", "example.test"]', true],
      ['"a..b".split(".").count() = 3', true],
      ['"".split(",") = [""]', true],
    ],
  },
  getDayOfWeek: {
    form: 'method',
    group: 'date',
    extension: true,
    signature: 'time.getDayOfWeek()',
    doc: 'Day of the week in UTC, from 1, Sunday, to 7, Saturday.',
    examples: [
      ['loyalty.joinedAt.getDayOfWeek() = 6', true],
      ['person.birthDate.getDayOfWeek() = 2', true],
    ],
  },
  getHour: {
    form: 'method',
    group: 'date',
    extension: true,
    signature: 'time.getHour()',
    doc: 'Hour 0 to 23, in UTC.',
    examples: [
      ['loyalty.joinedAt.getHour() = 8', true],
      ['xEvent[timestamp.getHour() >= 18].count() = 1', true],
    ],
  },
  currentDayOfWeek: {
    form: 'function',
    group: 'date',
    extension: true,
    signature: 'currentDayOfWeek()',
    doc: 'Day of the week of the evaluation, from 1, Sunday, to 7, Saturday, in UTC.',
    examples: [['currentDayOfWeek() = 5', true]],
  },
  currentHour: {
    form: 'function',
    group: 'date',
    extension: true,
    signature: 'currentHour()',
    doc: 'Hour of the evaluation, in UTC.',
    examples: [['currentHour() = 10', true]],
  },
  hoursBetween: {
    form: 'function',
    group: 'date',
    extension: true,
    signature: 'hoursBetween(from, to)',
    doc: 'Hours from one time to the other, with fractions; negative where the second is earlier.',
    examples: [
      ['hoursBetween(xEvent.max(timestamp), now) = 14.5', true],
      ['hoursBetween(now, xEvent.max(timestamp)) < 0', true],
    ],
  },
  daysBetween: {
    form: 'function',
    group: 'date',
    extension: true,
    signature: 'daysBetween(from, to)',
    doc: 'Days from the UTC day of one time to that of the other.',
    examples: [
      ['daysBetween(xEvent.min(timestamp), xEvent.max(timestamp)) = 13', true],
      ['daysBetween(person.birthDate, date(1988, 3, 1)) = 1', true],
    ],
  },
  monthsBetween: {
    form: 'function',
    group: 'date',
    extension: true,
    signature: 'monthsBetween(from, to)',
    doc: 'Completed months; a month without the day is completed on its last day.',
    examples: [
      ['monthsBetween(loyalty.joinedAt, now) = 68', true],
      ['monthsBetween(date(2026, 1, 31), date(2026, 2, 28)) = 1', true],
      ['monthsBetween(date(2026, 2, 28), date(2026, 1, 31)) = -1', true],
    ],
  },
  yearsBetween: {
    form: 'function',
    group: 'date',
    extension: true,
    signature: 'yearsBetween(from, to)',
    doc: 'Completed years, negative where the second time is earlier.',
    examples: [
      ['yearsBetween(person.birthDate, date(2026, 2, 27)) = 37', true],
      ['yearsBetween(person.birthDate, date(2026, 2, 28)) = 38', true],
    ],
  },
  age: {
    form: 'method',
    group: 'date',
    extension: true,
    signature: 'date.age()',
    doc: 'Completed years until the evaluation. Who was born on 29 February is a year older on 28 February in other years.',
    examples: [
      ['person.birthDate.age() = 37', true],
      ['person.birthDate.age() >= 18', true],
    ],
  },
  ignoreYear: {
    form: 'method',
    group: 'date',
    extension: true,
    signature: 'date.ignoreYear([day]) occurs …',
    doc: 'Whether an anniversary of the date lies in the span after `occurs`, over New Year too. 29 February is 28 February in other years, or 1 March with "03-01".',
    examples: [
      ['person.birthDate.ignoreYear() occurs <= 44 days after today', true],
      ['person.birthDate.ignoreYear() occurs <= 43 days after today', false],
      ['person.birthDate.ignoreYear("03-01") occurs on date(2026, 3, 1)', true],
      ['loyalty.joinedAt.ignoreYear() occurs this month', false],
      ['person.birthDate.ignoreYear() occurs between date(2000, 12, 20) and date(2000, 3, 1)', true],
    ],
  },
  inTimeZone: {
    form: 'method',
    group: 'date',
    extension: true,
    signature: 'time.inTimeZone(zone)',
    doc: 'What clocks show there, as if it were UTC; the zone is a literal of the IANA database. Give it a time, not a date.',
    examples: [
      ['loyalty.joinedAt.inTimeZone("Europe/Berlin").getHour() = 10', true],
      ['xEvent.max(timestamp).inTimeZone("Asia/Tokyo").getDayOfMonth() = 15', true],
    ],
  },
} as const satisfies Record<string, FunctionEntry>
