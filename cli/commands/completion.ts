import { readFileSync } from 'node:fs'
import { type Command, exitCodes, UsageError } from '../command.ts'

const scripts = {
  bash: 'bash.sh',
  zsh: 'zsh.sh',
  fish: 'fish.fish',
  powershell: 'powershell.ps1',
  kubectl: 'kubectl.sh',
} as const

export const shells = Object.keys(scripts)

export const command: Command = {
  summary: 'A script that completes commands, options and names in a shell',
  operands: ['SHELL', 'NOTHING'],
  usage: `completion ${shells.join('|')}`,
  description:
    'Names come from the cluster, or from the files that are given. For `kubectl convoke`, kubectl completes by itself where it finds a program\n' +
    '`kubectl_complete-convoke` on PATH; it is installed beside kubectl-convoke, and `completion kubectl` prints one.',
  options: {},
  examples: [
    'source <(convoke completion bash)',
    'convoke completion zsh > ~/.zfunc/_convoke',
    'convoke completion fish > ~/.config/fish/completions/convoke.fish',
    'convoke completion powershell | Out-String | Invoke-Expression',
    'convoke completion kubectl > ~/bin/kubectl_complete-convoke && chmod +x ~/bin/kubectl_complete-convoke',
  ],
  run: async ({ positionals, io }) => {
    const [shell = '', ...more] = positionals
    if (!Object.hasOwn(scripts, shell) || more.length > 0) throw new UsageError(`Name a shell: ${shells.join(', ')}.`)
    const file = scripts[shell as keyof typeof scripts] // checked above
    io.document(readFileSync(new URL(`../completion/${file}`, import.meta.url), 'utf8'))
    return exitCodes.fine
  },
}
