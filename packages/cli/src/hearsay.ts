#!/usr/bin/env node
/**
 * The `hearsay` command.
 *
 * Standard output carries results only; what is being waited for, warnings and errors go to standard error.
 * Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
 */
import { parse, UsageError } from './args.js'
import type { Command } from './context.js'
import { Output } from './output.js'
import { Shutdown } from './shutdown.js'
import { version } from './version.js'

// Loaded when it is called: help must not wait for native modules.
const COMMANDS: Record<string, () => Promise<Command>> = {
  publish: async () => (await import('./commands/publish.js')).publish,
  subscribe: async () => (await import('./commands/subscribe.js')).subscribe,
  chat: async () => (await import('./commands/chat.js')).chat,
  peers: async () => (await import('./commands/peers.js')).peers,
  dht: async () => (await import('./commands/dht.js')).dht,
  demo: async () => (await import('./commands/demo.js')).demo,
  'demo-member': async () => (await import('./commands/demo-member.js')).demoMember
}

async function main(words: string[]): Promise<number> {
  const shutdown = new Shutdown()
  const output = new Output({
    json: words.includes('--json'),
    quiet: words.includes('--quiet') || words.includes('-q'),
    verbose: words.includes('--verbose') || process.env.DEBUG !== undefined,
    onclosed: () => shutdown.end(0) // whoever read our output has enough
  })
  try {
    const invocation = parse(words)
    const load = COMMANDS[invocation.name]
    if (invocation.help !== null) await output.text(invocation.help)
    else if (load === undefined) await output.text(`${await version()}\n`)
    else await (await load())({ ...invocation, output, signal: shutdown.signal })
    await output.flush()
    return shutdown.code ?? 0
  } catch (error) {
    if (shutdown.code !== null) return shutdown.code
    output.error(error)
    return isWrongUse(error) ? 2 : 1
  } finally {
    shutdown.done()
  }
}

/** Do the words make no sense, or is a topic, a key or an option wrong that they name? */
function isWrongUse(error: unknown): boolean {
  const { code } = error as { code?: unknown }
  return error instanceof UsageError || (typeof code === 'string' && code.startsWith('ERR_GOSSIP_BAD_'))
}

process.exitCode = await main(process.argv.slice(2))
