// A reporter of vitest for test/main.ts: what became of a file is written down when it ends, so that it is known of a run that was cut off too.
import { appendFileSync } from 'node:fs'
import type { Reporter, TestModule } from 'vitest/node'

/** One line of the file that RESULTS names. */
export type FileResult = {
  /** From the root of the repository. */
  readonly path: string
  readonly milliseconds: number
  /** Why it could not be loaded or cleared away. */
  readonly errors: readonly string[]
  readonly tests: readonly TestResult[]
}

export type TestResult = {
  readonly name: string
  readonly outcome: 'passed' | 'failed' | 'skipped'
  readonly milliseconds: number
  readonly errors: readonly string[]
}

// biome-ignore lint/style/noDefaultExport: vitest reads the default export
export default class implements Reporter {
  onTestModuleEnd(module: TestModule): void {
    const result: FileResult = {
      path: module.relativeModuleId,
      milliseconds: module.diagnostic().duration,
      errors: module.errors().map(textOf),
      tests: [...module.children.allTests()].map((test) => {
        const { state, errors } = test.result()
        return {
          name: test.fullName,
          outcome: state === 'pending' ? 'skipped' : state,
          milliseconds: test.diagnostic()?.duration ?? 0,
          errors: (errors ?? []).map(textOf),
        }
      }),
    }
    appendFileSync(process.env['RESULTS']!, `${JSON.stringify(result)}\n`)
  }
}

function textOf({ message, stack = '' }: { readonly message: string; readonly stack?: string }): string {
  return stack.includes(message) ? stack : `${message}\n${stack}`
}
