export { editScalar } from './edit.ts'
export { type LineColumn, lineIndexOf } from './lines.ts'
export {
  nodeAt,
  valueOf,
  type YamlEntry,
  type YamlFault,
  type YamlFile,
  type YamlMap,
  type YamlNode,
  type YamlScalar,
  type YamlSequence,
} from './node.ts'
export { quoteIfNeeded } from './quote.ts'
export { readYaml } from './read.ts'
export { type TextRange, textRangeOf } from './scalar-text.ts'
export { type DecodedText, decodeUtf8 } from './utf8.ts'
