import type { Rule } from './rule.ts'

export const expressionTooLarge: Rule = {
  severity: 'error',
  page: {
    title: 'An expression is too large for the engines',
    checks:
      "What a Segment's expression comes to with all that it names put in place: 50,000 terms, of which 32 characters of a text are one. A condition named by `let` counts once, however often it is used; lists and objects count at each use.",
    why: 'All Segments of a ProfileStore are evaluated by one query: one that is too large holds up, or stops, all others.',
    source: 'Convoke',
    bad: `
kind: Segment
metadata: { name: patrons }
spec:
  expression: >-
    let g1 = genres.intersection(genres) in
    let g2 = g1.intersection(g1) in
    let g3 = g2.intersection(g2) in
    let g4 = g3.intersection(g3) in
    let g5 = g4.intersection(g4) in
    let g6 = g5.intersection(g5) in
    let g7 = g6.intersection(g6) in
    let g8 = g7.intersection(g7) in
    let g9 = g8.intersection(g8) in
    let g10 = g9.intersection(g9) in
    let g11 = g10.intersection(g10) in
    let g12 = g11.intersection(g11) in
    let g13 = g12.intersection(g12) in
    let g14 = g13.intersection(g13) in
    let g15 = g14.intersection(g14) in
    let g16 = g15.intersection(g15) in
    g16.count() > 1
`,
    good: `
kind: Segment
metadata: { name: patrons }
spec:
  expression: let g = genres.intersection(["crime", "travel"]) in g.count() > 1
`,
  },
}
