import type { Code } from '../codes.ts'
import { units } from './ast.ts'
import { example, type FunctionEntry, functions } from './functions.ts'
import { bindingPower } from './parser.ts'

/** docs/pql.md: what cannot be derived is written here; functions and precedence come from their tables. */
export function pqlManual(): string {
  return (
    [
      introduction,
      grammar,
      precedence(),
      meaning,
      functionTables(),
      extensions(),
      streaming,
      memberships,
      limits,
      unsupported(),
      trees,
      exampleData(),
    ].join('\n\n') + '\n'
  )
}

const introduction = `# The language of Segments

The \`expression\` of a Segment is Profile Query Language (PQL) as Adobe documents it for Real-Time CDP. It says of one profile at one
instant whether it belongs to the audience. Three executors give the same answer in every case: the reference interpreter in the compiler,
which also runs SegmentTests, DuckDB, and Spark. They are compared on generated schemas, profiles, events and expressions in the tests.

Where Adobe's pages leave a point open, this page says **Decision** and why. *K* marks what only an older public draft says.`

const grammar = `## Grammar

\`\`\`ebnf
query       = [ "(" name ")" "=>" | name "=>" ] expression ;
expression  = unary { binary-operator unary } ;                     (* see the table of precedence *)
unary       = ( "not" | "!" ) expression | ( "-" | "+" ) unary | postfix ;
postfix     = primary { "." name [ arguments ] | "[" expression "]" } ;
arguments   = "(" [ argument { "," argument } ] ")" ;
argument    = expression | lambda ;
lambda      = ( name | "(" name { "," name } ")" ) "=>" expression ;
primary     = literal | name [ arguments ] | "^" { "^" } | "$" digit { digit }
            | "(" expression ")" | "[" [ expression { "," expression } ] "]" | "{" [ field { "," field } ] "}"
            | time | quantifier | aggregate | let | chain ;
field       = ( string | name ) ":" expression ;
literal     = string | number | "true" | "false" ;
string      = '"' { character | "\\" ( '"' | "\\" | "/" | "'" | "b" | "f" | "n" | "r" | "t" | "u" hex hex hex hex ) } '"' ;
number      = ( digit { digit } [ "." digit { digit } ] | "." digit { digit } ) [ ( "e" | "E" ) [ "+" | "-" ] digit { digit } ] ;
name        = ( letter | "_" ) { letter | digit | "_" } ;
binary-operator = "or" | "and" | "=" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "notIn" | "like" | "matches"
            | "+" | "-" | "*" | "/" | "%" ;
quantifier  = ( "exists" | "forall" | "select" ) generators ;
generators  = generator { "," generator } ;
generator   = name "from" expression [ ( "where" | ":" ) expression ] ;
aggregate   = ( "sum" | "average" | "min" | "max" | "count" ) ( expression "over" generators | generators ) ;
let         = "let" name "=" expression "in" expression ;
occurs      = expression "occurs" when ;                            (* binds like a comparison *)
when        = comparison expression unit ( "before" | "after" | "from" ) expression
            | ( "before" | "after" | "from" ) expression
            | "between" expression "and" expression
            | [ "on" ] expression ;
comparison  = "=" | "!=" | "<" | "<=" | ">" | ">=" ;
time        = "now" | "today" | "yesterday" | "tomorrow" | ( "this" | "last" | "next" ) unit ;
unit        = ${units.map((unit) => `"${unit}"`).join(' | ')} ;
              (* singular or plural: days, centuries, millennia *)
chain       = ( "CHAIN" | "chain" ) "(" expression "," name "," "[" step { "," step } "]" ")" ;
step        = [ name ":" ] clause { clause } ;
clause      = "WHAT" "(" expression ")" | "WHEN" "(" when ")" | "WHERE" "(" expression ")" | "COUNT" "(" [ ">=" ] expression ")" ;
\`\`\`

Clause words may be lower-case. Blank space, line ends included, separates words and means nothing else. There are no comments: YAML has them.`

function precedence(): string {
  const rows = [
    ['`.` `[ ]` calls', 'left', 9],
    ['`-` `+` before a value', 'right', 8],
    ['`*` `/` `%`', 'left', bindingPower('*')],
    ['`+` `-`', 'left', bindingPower('+')],
    [
      '`=` `!=` `<` `<=` `>` `>=` `in` `notIn` `like` `matches` `occurs`',
      'none: they cannot be chained',
      bindingPower('='),
    ],
    ['`not` `!`', 'right', bindingPower('and') + 1],
    ['`and`', 'left', bindingPower('and')],
    ['`or`', 'left', bindingPower('or')],
    ['`where` `:` `in` of `let` `=>`', 'reach as far right as they can', 0],
  ] as const
  const table = [...rows].sort((a, b) => b[2] - a[2]).map(([operators, side]) => `| ${operators} | ${side} |`)
  return `## Precedence

From the tightest to the loosest. Adobe documents "normal rules" and parentheses only.

| operators | associate |
|---|---|
${table.join('\n')}

**Decision:** \`not a = b and c\` is \`(not (a = b)) and c\`, as in SQL: every documented example parenthesizes \`not\`, so no documented meaning changes.`
}

const meaning = `## Names

- The profile is in scope: \`loyalty.tier\`, \`$1.loyalty.tier\` and \`(P) => P.loyalty.tier = …\` are the same. \`profile.\` is not written.
- \`xEvent\` is the array of the profile's events, oldest first, each with \`timestamp\`. An event later than the evaluation has not happened yet.
- Inside \`array[…]\`, \`array.exists(…)\`, WHAT(…) and WHERE(…) names are fields of the item; those that it does not have are, in WHERE(…) alone, the profile's. \`^\` leads one level out, \`^^\` two, the profile being outermost.
  An item that is no object is called by the singular of its array: \`tags.exists(tag = "x")\`, \`categories\` → \`category\`.
- \`array.field\` is the array of that field of each item, arrays in arrays joined; \`map.key\` and \`map["key"]\` are \`map.get("key")\`.
- \`and or not in notIn like matches occurs exists forall select where over let if this last next now today yesterday tomorrow true false\` are words of the language where
  they can be; a field may be called \`sum\`, \`count\`, \`last\` or \`date\` all the same.
- Variables of \`exists\`, \`forall\`, \`select\`, \`over\`, \`let\` and lambdas hide fields of the same name, to the right of where they are declared.

## Types and coercions

Text, integer, number, boolean, date, timestamp, array, map, object, as the union schema says. A literal takes the type of the other side where
it can (K): \`points > "100"\`, \`birthDate = "1988-02-29"\`, \`customerId = 010\` (as written, \`"010"\`). Two fields of different kinds are not compared.
Integers and numbers are compared and reckoned as double-precision numbers. A value that an \`enum\` does not have is a warning.

Where a condition is expected (K): a boolean is itself; an array holds when it is there and not empty; any other value, and an object, when it is there.
**Decision:** a literal or a time alone is a fault, for it would always hold.

## Absent values

A condition is true or false, never unknown.

- Comparisons, \`in\`, \`notIn\`, \`like\` and every text function are false when either side is absent (K). So \`!=\`, \`notIn\`, \`doesNotContain\` and the like are
  not the negations of their positive forms; \`not ( … )\` is. \`not (middleName = "x")\` holds for who has no middle name.
- Absence spreads through arithmetic; what is not a finite number (division by zero, overflow) is absent (K: division by zero).
- An object is absent when all its fields are. An array never holds absent items: they are dropped when data is read, and whenever an operation would make one.
- \`sum\` and \`count\` over nothing are 0; \`average\`, \`min\`, \`max\` over nothing are absent; an item whose expression is absent does not take part (K).
- \`forall\` over nothing holds; \`exists\` does not. An absent array counts as empty for \`exists\`, \`forall\` and aggregates; \`in\`, \`notIn\` and set functions are false.
- \`a.intersection(b)\` is absent when nothing is common (K).

## Numbers

\`+ - * / %\` work on doubles; \`%\` has the sign of its left side. \`sum\` and \`average\` are exact to 6 decimals: each item is rounded to millionths, half away from
zero, and those whole numbers are added; an item from ±2⁶³ millionths on is left out. **Decision:** binary sums depend on the order in which an engine adds, so no two
engines, and no two runs, would agree on \`sum = 150.3\`.

## Text

- Text is compared by code point; \`=\` minds case. \`equals\`, \`contains\`, \`startsWith\`, \`endsWith\`, \`like\` and their negations take \`false\` as last argument to ignore it:
  each character is folded to its lower case as of Unicode 16, \`İ\` to \`i\`, \`ς\` to \`σ\`; \`ß\` stays. **Decision:** engines fold whole words by different rules; single characters they fold alike.
- \`like\`: \`%\` stands for any characters, line ends included, \`_\` for one code point; there is no escape character.
- \`matches\` finds the regular expression anywhere in the text. **Decision:** the documented examples disagree; most imply a search, and \`^\` and \`$\` say the rest.
  Syntax is Java's: \`. [ ] ( ) (?: ) | * + ? {n,m}\` greedy and lazy, \`^ $ \\A \\z \\b \\B \\d \\w \\s \\p{L} \\Q…\\E (?i) (?s)\`, with ASCII \`\\d \\w \\s \\b\` and ASCII case under \`(?i)\`. \`$\` is the very end.
  Look-around, back references and possessive repeats are refused: not every engine has them. Categories such as \`\\p{L}\` are those of the engine's Unicode version for characters added of late. A backslash is doubled in a PQL text: \`"\\\\d+"\`.

## Time

Everything is UTC; the evaluation instant is fixed at the start of a run. Data and literals hold the years 1 to 9999 to the millisecond; other times count as absent.

| written | means | why |
|---|---|---|
| \`now\` | the instant of evaluation | documented |
| \`today\`, \`yesterday\`, \`tomorrow\`, \`date(y, m, d)\`, \`"2026-01-31"\`, a field of format date | that whole UTC day | documented for \`occurs\` |
| \`this\`, \`last\`, \`next\` unit | that whole calendar unit | documented for months |
| \`t occurs on x\`, \`t occurs x\` | within the day or unit \`x\`; at that very millisecond for an instant | documented |
| \`t occurs between a and b\` | from the start of \`a\` to the end of \`b\`, both days included | documented |
| \`t occurs before x\` / \`after x\` | before its start / after its end | follows from days being intervals |
| \`t occurs from x\` | at its start or later | **Decision:** Adobe shows no example; the word says so |
| \`t occurs <= 3 days before now\` | from that instant 3 days ago until now, both included | documented (\`<= 24 hours before now\`) |
| \`t occurs <= 1 month before today\` | from the same day a month ago until yesterday's end | documented: 28 August gives 28 July to 27 August |
| \`<\`, \`>\`, \`>=\` before a day or longer | whole UTC days, so that \`<\`, \`=\` and \`>\` divide the time without gap or overlap | **Decision:** else \`< 3 days before today\` and \`= 3 days before today\` would share a day |
| \`t occurs = 3 days before x\` | on the UTC day that far away; for hours and shorter units, in that hour, minute, … | **Decision:** Adobe means birthdays "three days ago", so a day, not a millisecond |
| \`t occurs != 3 days before x\` | before \`x\`, and not on that day | the complement on the same side |
| \`… after x\` | mirrors \`before\`; a longer interval is left at its last day | |
| \`… from x\` with a distance | that far in either direction; \`<\` and \`<=\` include \`x\` itself | **Decision:** "from" names no direction |
| months and years | the same day of the month; where it does not exist, the last day | calendar arithmetic of every engine |
| weeks | start on Sunday | computed attributes document Sunday to Saturday |
| decades, centuries, millennia | start in years divisible by 10, 100, 1000 | **Decision:** what people call the 2020s |
| how many | a whole number, up to 10,000 years | dates stay exact on every engine |
| \`=\` and \`!=\` between times | the same instant; a date is its first instant | \`occurs on\` asks for the day |
| \`date(y, m, d)\` of no day | absent | as division by zero |
| \`date(y, t.getMonth(), t.getDayOfMonth())\` | the anniversary of \`t\` in that year; of 29 February, 28 February in years without it | **Decision:** else who was born that day has a birthday every four years |

A sequence, \`CHAIN(xEvent, timestamp, [ … ])\`, holds when there are events for its steps, each strictly later than the one before. A step has WHAT (a condition on
the event), WHEN (as after \`occurs\`, for its timestamp), COUNT(n) (at least n such events before the next step may happen) and WHERE (a condition that may refer to
earlier steps by their labels, as WHAT and WHEN may too). Events at the same instant do not follow each other. Searching takes the earliest events that fit, which
leaves most room for later steps. COUNT above 1 and references to other steps do not go together.

## Arrays and maps

- Events stand oldest first; those of one instant in the order of their scalar fields, by dotted name, absent first. That settles \`head\`, \`topN\` ties and \`distinct\` on every engine;
  events alike in all of that, different in their arrays alone, have no order.
- \`topN(value, n)\` gives the n highest, highest first; \`bottomN\` the n lowest, lowest first; ties in the order of the array; all items when there are fewer.
  **Decision:** the two documentation pages disagree on sorting; these are what their examples mean.
- \`=\` and \`!=\` compare whole arrays of scalars: the same items in the same order; and whole objects: the same in each field, absent in both
  included. False when either side is absent. An object that is written out, \`{"city": "Basel"}\`, has no other fields.
- Two events are the same (\`A = B\`) when they are one event of the profile, whatever they hold: \`exists A from xEvent, B from xEvent where A != B and …\`
- An array compared with one value, or looked up by \`in\`, means some item: \`xEvent.eventType = "view"\`, \`(select …).price > 100\`. **Decision:** so does
  \`!=\`, as inside \`exists\`; that no item is the value is \`not (… = …)\`.
- \`object.filter(condition)\` is an array of the object alone where the condition holds, and absent elsewhere.
- \`distinct\`, \`intersection\` and the keys of \`groupBy\` keep the order of first occurrence. Keys are text: numbers and booleans as written in JSON. Computed keys are whole numbers, made of such by \`+ - * %\`; those from ±2⁶³ on are absent.
- \`map.map((K, V) => mapEntry(k, v))\` makes a new map, of objects too: \`mapEntry(K, {"number": V.count(), "last": V.max(timestamp)})\`; of entries with the same new key the first stays.
- \`select V from a where …\` gives the items; with several generators, objects with a field per variable: \`(select E from xEvent, I from E.items).I.sku\`.`

const groups: readonly (readonly [FunctionEntry['group'], string])[] = [
  ['text', 'Text'],
  ['array', 'Arrays'],
  ['aggregation', 'Aggregation'],
  ['map', 'Maps'],
  ['date', 'Dates'],
  ['object', 'Absence'],
  ['membership', 'Membership'],
  ['logic', 'Choice'],
]

function functionTables(): string {
  const entries: readonly (readonly [string, FunctionEntry])[] = Object.entries(functions)
  const sections = groups.map(([group, title]) => {
    const rows = entries
      .filter(([, entry]) => entry.group === group && !entry.extension)
      .map(([, entry]) => functionRow(entry))
    return `### ${title}\n\n| function | means | examples | parses | checks | interpreter | DuckDB | Spark |\n|---|---|---|---|---|---|---|---|\n${rows.join('\n')}`
  })
  return `## Functions

Each example is executed on the interpreter, on DuckDB and on Spark in the tests, over the data at the end of this page.

${sections.join('\n\n')}`
}

function functionRow({ signature, doc, examples }: FunctionEntry): string {
  const cells = [
    `\`${signature}\``,
    doc,
    examples.map(([pql, holds]) => `\`${pql}\` ${holds ? 'holds' : 'does not hold'}`).join('<br>'),
  ]
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} | yes | yes | yes | yes | yes |`
}

/** What PQL does not have, in a table of its own. */
function extensions(): string {
  const entries: readonly FunctionEntry[] = Object.values(functions)
  const rows = entries.filter(({ extension }) => extension).map(functionRow)
  return `## Beyond PQL

**Extensions of Convoke.** Experience Platform has none of these: an expression that uses one cannot be moved there. \`convoke check --strict-pql\`, \`strictPql = true\` in
convoke.toml and \`strictPql: true\` of a ProfileStore, which also holds at admission, refuse them (\`beyond-pql\`); \`convoke convert --to adobe\` always does.

| function | means | examples | parses | checks | interpreter | DuckDB | Spark |
|---|---|---|---|---|---|---|---|
${rows.join('\n')}

- A distance may be a fraction of weeks, days and shorter units: \`occurs <= 1.5 days before now\` is 36 hours; it counts instants, not whole days, and takes no \`=\` or \`!=\`.
- \`ignoreYear\` asks whether some anniversary lies in the span: \`today\`, \`this month\`, \`<= 7 days after today\`, \`between … and …\`, from December to January too. It
  takes no open span (\`before\`, \`>\`). **Decision:** Adobe's rule builder has the option "Ignore year", and no page says how PQL writes it.
- Time zones and their history are those of the engine's own copy of the IANA database.`
}

const streaming = `## Streaming

A Segment with \`evaluation: Streaming\` may ask for profile attributes; for one kind of event, or several in strict order (CHAIN), within the last 24 hours; for both
together (rules of 20 May 2025). Counts and sums of one kind of event are fine. Not eligible, each reported as \`not-streamable\`: events without such a window or with
a longer one; several kinds of events in no order; an expression that asks for nothing but the absence of events; comparisons of month and day without the year
(anniversaries); events together with \`inSegment\` of a Segment that reads more than the profile. **Decision:** Adobe's page calls the last one both recommended and
ineligible; the safe reading is taken. \`today\` counts as a window of 24 hours, \`yesterday\` as one of 48. Batch and streaming find the same members at the same instant.`

const memberships = `## Since when

\`segmentMembership.get("ups").get("NAME")\` is the profile's membership in the Segment NAME of the same ProfileStore, with \`status\` (\`realized\` or \`exited\`) and
\`lastQualificationTime\`, since when it has been so; absent for a profile that was never in it. \`segmentMembership.ups.NAME\` is the same. \`inSegment\` asks who is
in NAME now; this asks **the membership version before this evaluation**: whoever comes into NAME in this run is \`realized\` for the next one. A batch run reads what the
latest run of either kind left; a streaming run reads the streaming run before it, for a batch Segment the last batch run, and looks at everybody each time, since it
cannot know who came and left. A Segment cannot read its own membership (\`segment-cycle\`). Where the schema has a field \`segmentMembership\` of its own, that is read.
An Activation maps the same two fields as columns, as of the evaluation that it exports.

\`segmentMembership.get("ups").get("vip").lastQualificationTime occurs > 7 days before now\``

const limits = `## Limits

- Expressions nest up to 100 levels; filters, quantifiers and \`let\` up to 10 inside each other; \`and\` and \`or\` join any number of conditions.
- A regular expression is a literal; its repeats count up to 1,000.
- COUNT of a CHAIN step is 1 to 1,000.`

/** Forms that are documented or in daily use, and refused: what to write instead, the code, and an example. */
export const refusedForms: readonly (readonly [form: string, instead: string, code: Code, example: string])[] = [
  ['an object literal alone as a condition, `{"k": v}`', 'compare something with it', 'pql-type-mismatch', '{"k": 1}'],
  [
    '`$2` and further parameters',
    'a Segment has one parameter, the profile',
    'pql-unsupported',
    '$2.loyalty.tier = "gold"',
  ],
  [
    '`segmentMembership` of other namespaces than `ups`, and as a map of all Segments',
    '`segmentMembership.get("ups").get("name")`',
    'pql-unsupported',
    'segmentMembership.get("AAM").get("x").status = "realized"',
  ],
  ['items by number, `array[0]`', '`head()`, `topN`, a condition', 'pql-unsupported', 'tags[0] = "a"'],
  [
    'a distance that is not a literal',
    'a literal, or several conditions',
    'pql-unsupported',
    'loyalty.joinedAt occurs <= loyalty.points days before now',
  ],
  [
    'regular expressions with look-around, back references, possessive repeats',
    'several conditions',
    'pql-unsupported',
    'personalEmail.address.matches("a(?=b)")',
  ],
  [
    '`groupBy` of fractions and of times',
    'whole numbers made of them, as by `getMonth()`',
    'pql-unsupported',
    'xEvent.groupBy(commerce.order.priceTotal * 2).keys().count() > 1',
  ],
  ['`distinct` of objects', '`map` to a field first', 'pql-unsupported', 'xEvent.distinct().count() > 1'],
  [
    'comparison of whole maps, and of arrays of objects',
    'a value of the map, a field of the items',
    'pql-type-mismatch',
    'scores = scores',
  ],
  [
    'an object compared with one that has other fields, or with one value',
    'their fields one by one',
    'pql-type-mismatch',
    'homeAddress = person.name',
  ],
  [
    'a path through an array in `occurs`, `like` and functions of text',
    '`exists`',
    'pql-type-mismatch',
    'xEvent.eventType.startsWith("p")',
  ],
  [
    'several texts in `contains`, `startsWith` and the like',
    'one for each, with `or`',
    'pql-type-mismatch',
    'loyalty.tier.contains("a", "b")',
  ],
  ['`AND`, `OR`, `NOT` in upper case', 'lower case; `--fix` writes it', 'pql-syntax', 'NOT optOut'],
  ['text in single quotes', 'double quotes; `--fix` writes them', 'pql-syntax', "loyalty.tier = 'gold'"],
  [
    '`in the last 7 days`, `now - 7 days`',
    '`occurs <= 7 days before now`',
    'pql-syntax',
    'loyalty.joinedAt in the last 7 days',
  ],
  [
    'percentile and rank over all profiles of the store',
    'a threshold, or an attribute that is computed before',
    'pql-unknown-function',
    'loyalty.points.percentile() >= 90',
  ],
  [
    '`stringCompare`',
    '`equals` and its like',
    'pql-unknown-function',
    'stringCompare("equals", loyalty.tier, ["gold"], false)',
  ],
]

function unsupported(): string {
  const rows = refusedForms.map(
    ([form, instead, code]) => `| ${form.replaceAll('|', '\\|')} | ${instead} | \`${code}\` |`,
  )
  return `## Documented, and not supported

Each is refused with its code; none is answered wrongly. Audiences of Audience Manager (segments, traits), of accounts, prospects and of several
entities are refused by \`convoke convert\` (\`pql-unsupported\`).

| construct | instead | code |
|---|---|---|
${rows.join('\n')}`
}

const trees = `## pql/json

The tree form of Experience Platform's API is read where it is published: \`fnApply\` (operators and functions alike, a method's receiver first), \`fieldLookup\`, \`literal\`
(\`String\`, \`Integer\`, \`Double\`, \`Boolean\`, \`List\`, and \`XDMObject\` \`profile\`), \`parameterReference\`, \`varRef\`, \`select\` and \`quantification\` with \`varDecl\`; the prefix \`xdm:\` of
older trees is dropped. Filters, \`^\`, \`occurs\`, CHAIN, \`let\` and lambdas have no published tree form.`

function exampleData(): string {
  return `## The data of the examples

Evaluated at \`${example.now}\`.

\`\`\`json
${JSON.stringify({ profile: example.profile, events: example.events }, null, 2)}
\`\`\`

<details><summary>Union schema</summary>

\`\`\`json
${JSON.stringify(example.schema, null, 2)}
\`\`\`

</details>`
}
