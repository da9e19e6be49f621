/**
 * One line of text for each event of a trace, for `--trace`:
 *
 *   14:03:07.120  push       -> 6ye93i5m  dpd7nmsf/1ede #148-149  hops 0
 *   14:03:07.131  drop       <- 6ye93i5m  duplicate
 */
import type { TopicTraceEvent } from '@hearsay/gossip'

/** Events that something came from a peer; those of control frames say their direction themselves. */
const INCOMING: ReadonlySet<string> = new Set(['receive', 'duplicate', 'drop'])
const OUTGOING: ReadonlySet<string> = new Set(['push', 'repair'])

const short = (id: string): string => id.slice(0, 8)

/** The event as a line without its break. */
export function traceLine(event: TopicTraceEvent): string {
  const time = new Date(event.atMs).toISOString().slice(11, 23)
  const words = [time, event.type.padEnd(9), `${arrowOf(event)} ${short(event.peer ?? '-').padEnd(8)}`]
  return [...words, ...aboutOf(event)].join('  ').trimEnd()
}

function arrowOf(event: TopicTraceEvent): string {
  const isIn = 'direction' in event ? event.direction === 'in' : INCOMING.has(event.type)
  if (isIn) return '<-'
  return 'direction' in event || OUTGOING.has(event.type) ? '->' : '  '
}

function aboutOf(event: TopicTraceEvent): string[] {
  const words: string[] = []
  if ('author' in event) words.push(event.author === null ? 'everybody' : nameOf(event))
  if ('reason' in event) words.push(event.reason)
  if ('state' in event) words.push(event.state)
  if ('hops' in event) words.push(`hops ${event.hops}`)
  if ('repair' in event && event.repair) words.push('asked for')
  if ('points' in event && event.points > 0) words.push(`${event.points} points`)
  return words
}

// The end of an incarnation tells two runs of an author apart; its beginning is the time, much the same for both.
function nameOf(event: Extract<TopicTraceEvent, { author: string | null }>): string {
  const name = `${short(event.author ?? '')}/${event.incarnation?.slice(-4)}`
  const range = rangeOf(event)
  if (range === null) return name
  const [from, to] = range
  return `${name} #${from === to ? from : `${from}-${to}`}`
}

function rangeOf(event: TopicTraceEvent): [number, number] | null {
  if ('seq0' in event) return [event.seq0, event.seq0 + ('count' in event ? event.count : 1) - 1]
  if (!('from' in event)) return null
  return [event.from, 'to' in event ? event.to : event.from + event.count - 1]
}
