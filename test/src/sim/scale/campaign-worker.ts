/** Plays the seeds that it is sent, one after the other, and sends back what they gave. */
import { parentPort, workerData } from 'node:worker_threads'
import { type Order, playSeed } from './campaign.js'

const { campaign } = workerData as Order
parentPort?.on('message', (seed: number) => parentPort?.postMessage(playSeed(campaign, seed, false)))
