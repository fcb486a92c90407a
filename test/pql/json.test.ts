import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { jsonOfPql, pqlOfJson } from '../../compiler/pql/json.ts'
import { parsePql } from '../../compiler/pql/parser.ts'
import { worlds } from './arbitrary.ts'
import { withoutSpans } from './without-spans.ts'

const profile = { nodeType: 'parameterReference', position: 1 }
const oldProfile = { nodeType: 'literal', literalType: 'XDMObject', value: 'profile' }
const field = (name: string, object: unknown = profile): unknown => ({
  nodeType: 'fieldLookup',
  fieldName: name,
  object,
})
const text = (value: string): unknown => ({ nodeType: 'literal', literalType: 'String', value })
const apply = (fnName: string, ...params: unknown[]): unknown => ({ nodeType: 'fnApply', fnName, params })

describe('trees as text', () => {
  test.each<[string, unknown]>([
    ['workAddress.country = "US"', apply('=', field('country', field('workAddress')), text('US'))],
    ['workAddress.country = "US"', JSON.stringify(apply('=', field('country', field('workAddress')), text('US')))],
    ['city = "DDN"', apply('=', { nodeType: 'fieldLookup', fieldName: 'city' }, { nodeType: 'literal', value: 'DDN' })],
    [
      'person.gender in ["female"]',
      apply('in', field('gender', field('person', oldProfile)), {
        literalType: 'List',
        nodeType: 'literal',
        value: ['female'],
      }),
    ],
    [
      'select _Checkouts1 from xEvent where _Checkouts1.eventType.equals("commerce.checkouts", true)',
      {
        nodeType: 'select',
        variables: [
          {
            nodeType: 'varDecl',
            varName: '_Checkouts1',
            from: field('xEvent', oldProfile),
            where: apply(
              'equals',
              field('eventType', { nodeType: 'varRef', varName: '_Checkouts1' }),
              text('commerce.checkouts'),
              { nodeType: 'literal', literalType: 'Boolean', value: true },
            ),
          },
        ],
      },
    ],
    [
      'homeAddress.stateProvince = "CA" and (a = 1 or b = 2) and not (c)',
      apply(
        'and',
        apply('=', field('xdm:stateProvince', field('xdm:homeAddress')), text('CA')),
        apply(
          'or',
          apply('=', field('a'), { nodeType: 'literal', literalType: 'Integer', value: 1 }),
          apply('=', field('b'), { nodeType: 'literal', literalType: 'Integer', value: 2 }),
        ),
        apply('not', field('c')),
      ),
    ],
    [
      '(exists x from xEvent where x.total > 1000) and a',
      apply(
        'and',
        {
          nodeType: 'quantification',
          quantifier: 'some',
          variables: [
            {
              nodeType: 'varDecl',
              varName: 'x',
              from: field('xEvent'),
              where: apply('>', field('total', { nodeType: 'varRef', varName: 'x' }), {
                nodeType: 'literal',
                literalType: 'Integer',
                value: 1000,
              }),
            },
          ],
        },
        field('a'),
      ),
    ],
    [
      '(a + b) * -2 > 0',
      apply(
        '>',
        apply('*', apply('+', field('a'), field('b')), { nodeType: 'literal', literalType: 'Integer', value: -2 }),
        { nodeType: 'literal', value: 0 },
      ),
    ],
    [
      'a - (b - c) > 0',
      apply('>', apply('-', field('a'), apply('-', field('b'), field('c'))), { nodeType: 'literal', value: 0 }),
    ],
    ['tags.count() = 2', apply('=', apply('count', field('tags')), { nodeType: 'literal', value: 2 })],
    ['inSegment("x")', apply('inSegment', text('x'))],
    ['t = "quote \\" and \\\\"', apply('=', field('t'), text('quote " and \\'))],
  ])('%s', (pql, tree) => {
    expect(pqlOfJson(tree)).toEqual({ pql, faults: [] })
    expect(parsePql(pql).faults).toEqual([])
  })
})

describe('faults name the part', () => {
  test.each<[unknown, (string | number)[], string]>([
    ['{', [], 'The expression is not JSON'],
    [3, [], 'A node with a `nodeType` is expected'],
    [{ nodeType: 'chain' }, ['nodeType'], '`chain` is not a supported kind of node'],
    [
      apply('=', field('a'), { nodeType: 'literal', value: {} }),
      ['params', 1, 'value'],
      'A literal has a text, number, boolean or list as its `value`',
    ],
    [apply('=', field('a b'), text('x')), ['params', 0, 'fieldName'], '`a b` is not the name of a field'],
    [apply('=', field('a'), text('x'), text('y')), ['params'], '`=` takes two params, here are 3'],
    [apply('$$', field('a')), ['fnName'], '`$$` is not a function'],
    [{ nodeType: 'quantification', quantifier: 'most', variables: [] }, ['quantifier'], '`most` is not a quantifier'],
    [{ nodeType: 'select', variables: [] }, ['variables'], 'A list of variable declarations is expected'],
    [{ nodeType: 'parameterReference' }, ['position'], 'A parameter has a whole `position`'],
  ])('%j', (tree, path, message) => {
    expect(pqlOfJson(tree)).toMatchObject({ pql: null, faults: [{ path, message }] })
  })
  test('a tree of a thousand levels', () => {
    let tree = field('a')
    for (let level = 0; level < 1000; level += 1) tree = apply('not', tree)
    expect(pqlOfJson(tree).faults).toMatchObject([{ message: 'The tree is more than 100 levels deep' }])
  })
})

test('text with a published tree form comes back as the same text', () => {
  let turned = 0
  fc.assert(
    fc.property(worlds({ people: 0, expressions: 20 }), ({ expressions }) => {
      for (const pql of expressions) {
        const { tree } = jsonOfPql(pql)
        if (tree === null) continue
        turned += 1
        const back = pqlOfJson(tree)
        expect(back.faults, pql).toEqual([])
        expect(jsonOfPql(back.pql!).tree, pql).toEqual(tree)
      }
    }),
    { numRuns: 100 },
  )
  expect(turned).toBeGreaterThan(100)
})

test.each([
  'xEvent[a = 1].count() > 1',
  't occurs today',
  'CHAIN(xEvent, timestamp, [WHAT(a)])',
  'let x = 1 in (x > 0)',
  'sum E.x over E from xEvent > 3',
  'xEvent.exists(a = 1)',
  'a and',
])('%s has no tree form', (pql) => {
  const { tree, reason } = jsonOfPql(pql)
  expect(tree).toBe(null)
  expect(reason).not.toBe(null)
})

test('a tree keeps what a text says', () => {
  const pql = 'a.b = "x" and (c > 3 or (exists V from list where V.d in ["y", "z"]))'
  expect(withoutSpans(parsePql(pqlOfJson(jsonOfPql(pql).tree).pql!).expr)).toEqual(withoutSpans(parsePql(pql).expr))
})
