/** @fastify/websocket, whoever registers it. */
import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import websocket from '@fastify/websocket';
import type { FastifyInstance } from 'fastify';
import { WebsocketRegisteredTwice } from '../src/errors.ts';
import { upgradeListeners } from '../src/link/accept.ts';
import { refuseUpgrades } from './no-upgrade.ts';

/**
 * Our registration leaves closing to the manager, which spreads it; a host's own is used as it is. There may be another one, of
 * a second gateway or of the host, in a scope beside ours: then that one's listener on the server serves both.
 */
export async function registerWebsocket(app: FastifyInstance): Promise<void> {
  const served = upgradeListeners(app.server).length > 0;
  await app.register(websocket, {
    preClose: (done) => done(),
    ...(served ? { options: { server: new EventEmitter() as unknown as Server } } : {}),
  });
  refuseUpgrades(app);
  // A registration after ours would throw where Fastify cannot catch it and end the process: it is let through, and told at the start.
  let twice = false;
  const tolerate = (method: 'decorate' | 'decorateRequest', names: readonly unknown[]): void => {
    const original = app[method] as (...args: unknown[]) => unknown;
    const tolerant = function (this: FastifyInstance, ...args: unknown[]): unknown {
      try {
        return original.apply(this, args);
      } catch (error) {
        if (!names.includes(args[0])) throw error;
        twice = true;
        return this;
      }
    };
    Object.assign(app, { [method]: tolerant });
  };
  tolerate('decorateRequest', ['ws']);
  tolerate('decorate', ['websocketServer', 'injectWS']);
  app.addHook('onReady', async () => {
    if (twice) throw new WebsocketRegisteredTwice();
  });
}
