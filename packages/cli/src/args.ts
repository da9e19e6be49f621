/**
 * The words of the command line: which commands and flags there are, and what a call says.
 *
 * paparam parses. Two of its habits are worked around here: a `rest()` swallows the flags behind it, so further words
 * are taken as loose arguments; and of the words behind `--` it keeps only the last, so they are split off before.
 */
import { arg, type Bail, bail, command, flag, footer, sloppy, summary } from 'paparam'

/** Values of the flags that were given. */
export type Flags = Record<string, boolean | string | string[] | null | undefined>

/** What the command line says. */
export interface Invocation {
  /** Name of the command. */
  name: string
  words: string[]
  flags: Flags
  /** The help text, when it was asked for. */
  help: string | null
}

/** The call makes no sense: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly code = 'ERR_USAGE'
}

const REASONS: Record<string, (bail: Bail) => string> = {
  UNKNOWN_FLAG: ({ flag: given }) => `unknown flag ${dashed(given?.name)}`,
  INVALID_FLAG: ({ flag: given }) => `flag ${dashed(given?.name)} has no or a wrong value`,
  UNKNOWN_ARG: ({ arg: given }) => `unknown command or argument: ${given?.value}`,
  MISSING_ARG: ({ arg: given }) => `missing ${given?.value}`
}

const dashed = (name = ''): string => (name.length === 1 ? `-${name}` : `--${name}`)

function refuse(why: Bail): never {
  throw new UsageError(REASONS[why.reason]?.(why) ?? why.reason)
}

const everywhere = () => [
  flag('--storage <dir>', 'keep the identity there, so that others know you again'),
  flag('--bootstrap <host:port>', 'a node of your own DHT (hearsay dht); may be repeated').multiple(),
  flag('--json', 'results as JSON, one object a line'),
  flag('--quiet|-q', 'nothing on standard error but errors'),
  flag('--verbose', 'warnings, and the stack of an error')
]

const networked = () => [
  flag('--private', '<topic> is the 32-byte key of a private topic, hex or z-base-32'),
  flag('--lan', 'find peers on the local network without a DHT; not available in this version'),
  flag('--trace', 'say on standard error what happens, event by event; with --json as JSON'),
  flag('--stats', 'say at the end on standard error, as JSON, what there was to count')
]

const topic = () => arg('<topic>', 'name of the topic')

function tree() {
  return command(
    'hearsay',
    summary('Gossip that comes with evidence: signed messages between peers, without a server.'),
    footer(
      'hearsay COMMAND --help tells more. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.'
    ),
    bail(refuse),
    flag('--version', 'print the version'),
    ...everywhere().map(part => part.hide()),
    ...topicCommands(),
    command(
      'dht',
      summary('Run a bootstrap node, so that processes find each other without the internet'),
      flag('--port <port>', 'UDP port; default 49737; 0: any that is free'),
      flag('--host <address>', 'IPv4 address that others reach; default 127.0.0.1: this machine alone'),
      ...everywhere()
    ),
    command(
      'demo',
      summary('Show it all: several processes publish, introduce, accept, refuse, replicate and compare'),
      flag('--file <file>', 'text to share; default: one that is part of the installation'),
      flag('--members <n>', 'processes, 3 to 8; default 4'),
      flag('--lines <n>', 'lines of the text to share, at most; default 12,000'),
      ...everywhere()
    ),
    command('demo-member', summary('One process of the demo'), ...everywhere()).hide()
  )
}

function topicCommands() {
  return [
    command(
      'publish',
      summary('Publish text, or each line of standard input'),
      footer(PUBLISH_HELP),
      topic(),
      arg('[text...]', 'the message; without it, each line of standard input is one'),
      flag('--wait <n>', 'wait for so many peers first; default 1'),
      flag('--timeout <seconds>', 'give up waiting for peers; default: never'),
      ...networked(),
      ...everywhere(),
      sloppy({ args: true })
    ),
    command(
      'subscribe',
      summary('Print the messages of a topic'),
      footer(SUBSCRIBE_HELP),
      topic(),
      flag('--count <n>', 'end after so many messages'),
      flag('--timeout <seconds>', 'fail when --count is not reached by then'),
      flag(
        '--seed',
        'print no messages; stay to pass them on and to repair, and say once a minute how it goes'
      ),
      ...networked(),
      ...everywhere()
    ),
    command(
      'chat',
      summary('Say each line of standard input, and see what others say'),
      footer(CHAT_HELP),
      topic(),
      ...networked(),
      ...everywhere()
    ),
    command(
      'peers',
      summary('Show who shares a topic, again and again'),
      footer(PEERS_HELP),
      topic(),
      flag('--once', 'show it once, when --wait peers are there'),
      flag('--wait <n>', 'with --once: wait for so many peers; default 1'),
      flag('--timeout <seconds>', 'with --once: fail when they are not there by then; default 10'),
      flag('--interval <seconds>', 'how often; default 2'),
      ...networked(),
      ...everywhere()
    )
  ]
}

const PUBLISH_HELP = `
  A line is published as it is; only its line break (\\n) is taken off, and an empty line is an empty message.
  Text is published as a string, a line that is not UTF-8 as bytes. The command ends when the connected peers
  have received everything.`

const SUBSCRIBE_HELP = `
  A string is printed as it is, bytes as they are, anything else as JSON; a line break is added.
  --json prints { topic, author, incarnation, seq, data, createdAt, hops }; bytes as { "base64": "..." }.`

const CHAT_HELP = `
  Prints "<id> text": the first 8 characters of the author's key, and the message in one line; characters that
  steer a terminal are shown as \\u{...}. An empty line isn't sent; while nobody is there a line waits for the first
  who comes. The end of the input leaves the chat. --json prints messages as subscribe does.`

const PEERS_HELP = `
  One line a peer: the beginning of its connection's key (not an author's), its role (active: messages are spread over
  it; standby: in reserve), the state of its link, round trip, messages that it brought first, batches of it that were
  known, bytes waiting for it, and demerit points (negative: useful, 100: refused).
  --json prints one object each time: { topic, atMs, peers: [{ id, rtt, topics, links, stats }] }.
  To see peers this process is one for that time.`

/**
 * Reads the words after the program's name.
 *
 * @throws {UsageError} For an unknown command or flag, a missing argument, no command at all.
 */
export function parse(words: readonly string[]): Invocation {
  const end = words.indexOf('--')
  const own = end < 0 ? [...words] : words.slice(0, end)
  const verbatim = end < 0 ? [] : words.slice(end + 1)
  const root = tree()
  const parsed = root.parse(own, { run: false, silent: true }) ?? root.current ?? root
  const flags: Flags = { ...given(root.flags), ...given(parsed.flags) }
  const name = parsed === root ? '' : parsed.name
  const help = flags.help === true ? `${parsed.help().trimEnd()}\n` : null
  if (help === null && name === '' && flags.version !== true) {
    throw new UsageError('no command; hearsay --help lists them')
  }
  return { name, words: [...parsed.positionals, ...verbatim], flags, help }
}

const given = (flags: Flags): Flags =>
  Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== false && value != null))

/**
 * A flag that is a number.
 *
 * @param flags - What was given.
 * @param name - Which one.
 * @param bounds - Both inclusive.
 * @returns The number, or `fallback` when the flag is absent.
 * @throws {UsageError} When it is no number, or out of bounds.
 */
export function numberOf(
  flags: Flags,
  name: string,
  { min, max, fallback }: { min: number; max: number; fallback: number }
): number {
  const text = flags[name]
  if (text === undefined) return fallback
  const value = typeof text === 'string' && text.trim() !== '' ? Number(text) : Number.NaN
  if (!(value >= min && value <= max)) {
    throw new UsageError(`--${name} is ${String(text)}, it must be a number from ${min} to ${max}`)
  }
  return value
}

/** The same for whole numbers. */
export function integerOf(
  flags: Flags,
  name: string,
  bounds: { min: number; max: number; fallback: number }
): number {
  const value = numberOf(flags, name, bounds)
  if (value === bounds.fallback || Number.isInteger(value)) return value
  throw new UsageError(`--${name} is ${value}, it must be a whole number`)
}

/**
 * The nodes of `--bootstrap HOST:PORT`.
 *
 * @returns Undefined without the flag: the public DHT.
 * @throws {UsageError} When one isn't HOST:PORT.
 */
export function bootstrapOf(flags: Flags): { host: string; port: number }[] | undefined {
  if (!Array.isArray(flags.bootstrap)) return undefined
  return flags.bootstrap.map(address => {
    const colon = address.lastIndexOf(':')
    const port = Number(address.slice(colon + 1))
    if (colon < 1 || !Number.isInteger(port) || port < 1 || port > 65_535) {
      throw new UsageError(`--bootstrap is ${address}, it must be HOST:PORT`)
    }
    return { host: address.slice(0, colon), port }
  })
}
