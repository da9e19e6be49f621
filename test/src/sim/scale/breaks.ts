/** Breaks what a stage says is to break: puts kills, droppers, outages and crashes into the agenda of a network. */

import { TRANSPORT_TIMEOUT_MS } from './bodies.js'
import type { Network } from './network.js'
import type { Edge, Port } from './packet.js'
import type { Process } from './process.js'
import type { StageDowntime, StageOutage } from './stage.js'

/** After an outage or a restart it takes at most so long until the connection stands again. */
export const REDIAL_WITHIN_MS = 500

/** Starts all processes, now or when their downtime is over, and arranges all that breaks. */
export function arrangeBreaks(network: Network): void {
  const { stage, processes } = network
  const late = new Set((stage.downtimes ?? []).filter(({ atMs }) => atMs === 0).map(({ node }) => node))
  for (const process of processes) if (!late.has(process.options.index)) process.start()
  for (const kill of stage.kills) {
    network.at(kill.atMs, () => {
      for (const node of kill.nodes) (processes[node] as Process).isSilent = true
    })
  }
  if (stage.droppers !== null) {
    const { nodes, censored, fromMs = 0 } = stage.droppers
    const author = censored === null ? null : (processes[censored] as Process)
    network.at(fromMs, () => {
      for (const node of nodes) network.withhold(processes[node] as Process, author)
    })
  }
  for (const outage of stage.outages ?? []) arrangeOutage(network, outage)
  for (const downtime of stage.downtimes ?? []) arrangeDowntime(network, downtime)
}

/** Ends at which packets of this direction arrive. */
const endsOf = (edge: Edge, direction: StageOutage['direction']): readonly Port[] => {
  if (edge.ports === null) return []
  const [from, to] = edge.ports
  return direction === 'both' ? [from, to] : [direction === 'forward' ? to : from]
}

function arrangeOutage(network: Network, outage: StageOutage): void {
  const { atMs, untilMs, direction, kind } = outage
  const edges = outage.edges.map(index => network.edges[index] as Edge)
  network.at(atMs, () => {
    for (const edge of edges) {
      edge.isOut = true
      if (kind === 'half-open') breakOneEnd(network, edge)
      else for (const port of endsOf(edge, direction)) port.inbound = kind === 'lost' ? 'lost' : 'held'
    }
  })
  if (kind === 'cut' && untilMs > atMs + TRANSPORT_TIMEOUT_MS) {
    network.at(atMs + TRANSPORT_TIMEOUT_MS, () => {
      for (const edge of edges) network.cut(edge)
    })
  }
  network.at(untilMs, () => {
    for (const edge of edges) {
      edge.isOut = false
      if (kind === 'half-open') network.cut(edge)
      for (const port of endsOf(edge, 'both')) network.release(port)
      if (edge.ports === null) network.redial(edge, REDIAL_WITHIN_MS)
    }
  })
}

/** The dialled end closes; its word of it doesn't arrive, and what the other end sends goes nowhere. */
function breakOneEnd(network: Network, edge: Edge): void {
  const [, to] = edge.ports ?? []
  if (to === undefined) return
  network.hits.cut++
  to.node.drop(to)
}

function arrangeDowntime(network: Network, { node, atMs, untilMs, clockMs }: StageDowntime): void {
  const process = network.processes[node] as Process
  if (atMs > 0) {
    network.at(atMs, () => {
      network.hits.crashed++
      process.crash()
      for (const edge of process.edges) network.cut(edge)
    })
  }
  network.at(untilMs, () => {
    process.clockMs += clockMs
    if (clockMs !== 0) network.hits.moved++
    process.start()
    for (const edge of process.edges) network.redial(edge, REDIAL_WITHIN_MS)
  })
}
