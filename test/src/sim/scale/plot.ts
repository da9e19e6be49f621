/**
 * One run as a picture: how much of what was published at a moment arrived, and how many copies it cost. Two panels over
 * one axis of time, as SVG.
 */
import { type Fate, redundancyOf } from './measure.js'
import type { Stage } from './stage.js'

const WIDTH = 860
const LEFT = 70
const RIGHT = 24
const PANEL_HEIGHT = 170
const TOP_OF = [74, 302]
const HEIGHT = 540
/** Publishes are drawn in so many steps of time at most, so that lines stay readable. */
const MAX_STEPS = 120
const COLOURS = { late: '#9ecae1', inTime: '#08519c', redundancy: '#b35806', mark: '#636363' }

/** What was published in one step of time. */
interface Step {
  readonly atMs: number
  readonly delivered: number
  readonly inTime: number
  readonly redundancy: number
}

/** The picture of a run. */
export function plotOf(stage: Stage, fates: readonly Fate[], subtitle: string): string {
  const steps = stepsOf(fates)
  const time = ticksOf(steps[0]?.atMs ?? 0, Math.max(steps.at(-1)?.atMs ?? 0, (steps[0]?.atMs ?? 0) + 1))
  const x = (atMs: number): number =>
    LEFT + ((atMs - time.from) / (time.until - time.from)) * (WIDTH - LEFT - RIGHT)
  const copies = ticksOf(0, Math.max(0.1, ...steps.map(({ redundancy }) => redundancy)))
  const share = { from: 0, until: 100, ticks: [0, 25, 50, 75, 100] }
  const upper = panelOf(0, 'delivered, %', share)
  const lower = panelOf(1, 'copies per delivery - 1', copies)
  const line = (y: (value: number) => number, pick: (step: Step) => number): string =>
    steps.map(step => `${round(x(step.atMs))},${round(y(pick(step)))}`).join(' ')
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}"`,
    'font-family="sans-serif" font-size="12">',
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    `<text x="${LEFT}" y="26" font-size="16">${escapeText(`${stage.name}, seed ${stage.seed}, ${stage.nodes} nodes`)}</text>`,
    `<text x="${LEFT}" y="46" fill="${COLOURS.mark}">${escapeText(subtitle)}</text>`,
    ...upper.frame,
    ...lower.frame,
    ...time.ticks.map(tick => tickOfTime(x(tick), tick)),
    ...marksOf(stage).map(({ atMs, text }) => markOf(x(atMs), text)),
    polyline(
      line(upper.y, step => step.delivered * 100),
      COLOURS.late,
      4
    ),
    polyline(
      line(upper.y, step => step.inTime * 100),
      COLOURS.inTime,
      1.5
    ),
    polyline(
      line(lower.y, step => step.redundancy),
      COLOURS.redundancy,
      1.5
    ),
    `<text x="${(WIDTH + LEFT - RIGHT) / 2}" y="506" text-anchor="middle">time of publish, s</text>`,
    legend(),
    '</svg>',
    ''
  ].join('\n')
}

/** What became of messages, by moment of publish: at most `MAX_STEPS` steps with messages in them. */
function stepsOf(fates: readonly Fate[]): Step[] {
  const size = Math.max(1, Math.ceil(fates.length / MAX_STEPS))
  const sorted = [...fates].sort((a, b) => a.atMs - b.atMs)
  const steps: Step[] = []
  for (let at = 0; at < sorted.length; at += size) {
    const some = sorted.slice(at, at + size)
    const expected = some.reduce((sum, fate) => sum + fate.expected, 0)
    const share = (pick: (fate: Fate) => number): number =>
      expected === 0 ? 1 : some.reduce((sum, fate) => sum + pick(fate), 0) / expected
    steps.push({
      atMs: some[0]?.atMs ?? 0,
      delivered: share(fate => fate.delivered),
      inTime: share(fate => fate.inTime),
      redundancy: Math.max(0, redundancyOf(some))
    })
  }
  return steps
}

/** A range that holds both values, with round ticks. */
function ticksOf(min: number, max: number): { from: number; until: number; ticks: number[] } {
  const rough = (max - min) / 6
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map(factor => factor * power).find(size => size >= rough) ?? rough
  const from = Math.floor(min / step) * step
  const until = Math.ceil(max / step) * step
  const ticks = Array.from({ length: Math.round((until - from) / step) + 1 }, (_, i) => from + i * step)
  return { from, until, ticks }
}

function panelOf(
  panel: number,
  title: string,
  range: { from: number; until: number; ticks: readonly number[] }
): { y: (value: number) => number; frame: string[] } {
  const top = TOP_OF[panel] as number
  const y = (value: number): number =>
    top + PANEL_HEIGHT * (1 - (value - range.from) / (range.until - range.from))
  const middle = top + PANEL_HEIGHT / 2
  const frame = [
    `<rect x="${LEFT}" y="${top}" width="${WIDTH - LEFT - RIGHT}" height="${PANEL_HEIGHT}" fill="none" stroke="#bbbbbb"/>`,
    `<text x="16" y="${middle}" text-anchor="middle" transform="rotate(-90 16 ${middle})">${title}</text>`,
    ...range.ticks.flatMap(tick => [
      `<line x1="${LEFT}" y1="${round(y(tick))}" x2="${WIDTH - RIGHT}" y2="${round(y(tick))}" stroke="#eeeeee"/>`,
      `<text x="${LEFT - 8}" y="${round(y(tick) + 4)}" text-anchor="end">${round(tick)}</text>`
    ])
  ]
  return { y, frame }
}

function tickOfTime(x: number, atMs: number): string {
  const bottoms = TOP_OF.map(top => top + PANEL_HEIGHT)
  const texts = bottoms.map(
    bottom => `<text x="${round(x)}" y="${bottom + 16}" text-anchor="middle">${round(atMs / 1000)}</text>`
  )
  return texts.join('')
}

/** What happens on the stage, for vertical lines. */
function marksOf(stage: Stage): { atMs: number; text: string }[] {
  const measured = stage.publishes.find(({ isMeasured }) => isMeasured)
  return [
    ...(measured === undefined ? [] : [{ atMs: measured.atMs, text: 'measured from here' }]),
    ...stage.kills.map(({ atMs, nodes }) => ({ atMs, text: `${nodes.length} nodes die` })),
    ...(stage.outages ?? []).flatMap(({ atMs, untilMs }) => [
      { atMs, text: 'outage' },
      { atMs: untilMs, text: 'healed' }
    ])
  ]
    .sort((a, b) => a.atMs - b.atMs)
    .filter(({ atMs }, index, all) => index === all.findLastIndex(other => other.atMs === atMs))
}

function markOf(x: number, text: string): string {
  const [top, bottom] = [TOP_OF[0] as number, (TOP_OF[1] as number) + PANEL_HEIGHT]
  return [
    `<line x1="${round(x)}" y1="${top}" x2="${round(x)}" y2="${bottom}" stroke="${COLOURS.mark}" stroke-dasharray="4 3"/>`,
    `<text x="${round(x + 4)}" y="${top - 6}" fill="${COLOURS.mark}">${escapeText(text)}</text>`
  ].join('')
}

const polyline = (points: string, colour: string, width: number): string =>
  `<polyline points="${points}" fill="none" stroke="${colour}" stroke-width="${width}" stroke-linejoin="round"/>`

function legend(): string {
  const entries = [
    [COLOURS.late, 'delivered in the end'],
    [COLOURS.inTime, 'delivered within 1 s'],
    [COLOURS.redundancy, 'redundancy (RMR)']
  ] as const
  const items = entries.map(([colour, text], index) => {
    const x = LEFT + index * 200
    const line = `<line x1="${x}" y1="526" x2="${x + 24}" y2="526" stroke="${colour}" stroke-width="3"/>`
    return `${line}<text x="${x + 30}" y="530">${text}</text>`
  })
  return items.join('')
}

const round = (value: number): number => Math.round(value * 100) / 100

const escapeText = (text: string): string =>
  text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')
