/** The manifests of deploy/kubernetes as objects. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

export interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: string | number };
  readonly periodSeconds?: number;
  readonly failureThreshold?: number;
}
export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly env?: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: {
      readonly fieldRef?: { readonly fieldPath: string };
      readonly secretKeyRef?: { readonly name: string; readonly key: string; readonly optional?: boolean };
    };
  }[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly startupProbe?: Probe;
  readonly lifecycle?: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } };
  readonly resources?: { readonly limits?: { readonly memory?: string } };
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}
type Labels = Readonly<Record<string, string>>;
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly clusterIP?: string;
    readonly selector?: Labels & { readonly matchLabels?: Labels };
    readonly ports?: readonly { readonly port: number; readonly targetPort: string | number }[];
    readonly scaleTargetRef?: { readonly kind: string; readonly name: string };
    readonly metrics?: readonly {
      readonly pods?: {
        readonly metric: { readonly name: string };
        readonly target: { readonly averageValue: string };
      };
    }[];
    readonly minReadySeconds?: number;
    readonly template?: {
      readonly metadata: { readonly labels: Labels };
      readonly spec: {
        readonly enableServiceLinks?: boolean;
        readonly terminationGracePeriodSeconds?: number;
        readonly containers: readonly Container[];
        readonly volumes?: readonly {
          readonly name: string;
          readonly configMap?: { readonly name: string };
          readonly secret?: { readonly secretName: string };
        }[];
      };
    };
  };
}

const folder = fileURLToPath(new URL('../../deploy/kubernetes/', import.meta.url));

/** With its comments. */
export function readManifestText(file: string): string {
  return readFileSync(join(folder, file), 'utf8');
}

/** Of all files. @throws Error where one cannot be read as YAML, or says a key twice. */
export function readManifests(): Manifest[] {
  const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  return files
    .flatMap((name) =>
      parseAllDocuments(readManifestText(name), { version: '1.2' }).map((document) => {
        const [problem] = [...document.errors, ...document.warnings];
        if (problem !== undefined) throw new Error(`${name}: ${problem.message}`);
        return document.toJS() as Manifest | null;
      }),
    )
    .filter((one) => one !== null);
}

/** @throws Error where there is none, or more than one. */
export function manifest(kind: string, name: string): Manifest {
  const found = readManifests().filter((one) => one.kind === kind && one.metadata.name === name);
  if (found.length !== 1) throw new Error(`there are ${found.length} of ${kind} ${name}`);
  return found[0]!;
}

/** The only container of a Deployment, with its pod. */
export function containerOf(name: string) {
  const { template, ...spec } = manifest('Deployment', name).spec!;
  const pod = template!.spec;
  if (pod.containers.length !== 1) throw new Error(`${name} has ${pod.containers.length} containers`);
  return { spec, labels: template!.metadata.labels, pod, container: pod.containers[0]! };
}

/**
 * The environment that a container gets, as the kubelet makes it.
 * @param fields of the pod, by their path. @param secrets by name and key.
 * @throws Error where a field or a Secret is missing that is not optional.
 */
export function environmentOf(
  { env = [] }: Container,
  fields: Readonly<Record<string, string>>,
  secrets: Readonly<Record<string, Readonly<Record<string, string>>>> = {},
): Record<string, string> {
  const made: Record<string, string> = {};
  for (const { name, value, valueFrom: { fieldRef, secretKeyRef } = {} } of env) {
    const given =
      fieldRef === undefined
        ? secretKeyRef === undefined
          ? // Only what stands before it is known.
            value?.replaceAll(/\$\((\w+)\)/g, (whole, other: string) => made[other] ?? whole)
          : secrets[secretKeyRef.name]?.[secretKeyRef.key]
        : fields[fieldRef.fieldPath];
    if (given !== undefined) made[name] = given;
    else if (secretKeyRef?.optional !== true) throw new Error(`${name} has no value`);
  }
  return made;
}

/** Puts files into `folder` in place of those of the Secret holdfast-tokens. @returns the environment with their paths. */
export function mountTokens(env: Readonly<Record<string, string>>, folder: string): Record<string, string> {
  const mounted = Object.entries(env).map(([name, value]): [string, string] => {
    const [, key] = /^\/run\/secrets\/holdfast\/(\w+)$/.exec(value) ?? [];
    if (key === undefined) return [name, value];
    writeFileSync(join(folder, key), `token-of-${key}-0123456789\n`);
    return [name, join(folder, key)];
  });
  return Object.fromEntries(mounted);
}

/** Of `preStop: exec: sleep`, in ms. */
export function preStopMs({ lifecycle }: Container): number {
  const [command, seconds, ...rest] = lifecycle?.preStop.exec.command ?? [];
  if (command !== 'sleep' || rest.length > 0 || !/^\d+$/.test(seconds ?? '')) throw new Error('preStop is no sleep');
  return Number(seconds) * 1000;
}
