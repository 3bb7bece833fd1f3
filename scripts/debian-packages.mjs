// Says whether Debian packages are installed, and installs those that are not where that is wanted:
//
//     node scripts/debian-packages.mjs prometheus chromium
//
// Installs only as root and with CI=true or HOLDFAST_INSTALL=1; otherwise it names what is missing and exits 1.
import { spawnSync } from 'node:child_process';

const names = process.argv.slice(2);
if (names.length === 0 || names.some((name) => !/^[a-z0-9][a-z0-9+.-]+$/.test(name))) {
  console.error('Give names of Debian packages: node scripts/debian-packages.mjs prometheus');
  process.exit(2);
}

const missing = names.filter((name) => !isInstalled(name));
if (missing.length > 0) {
  const wanted = process.env.CI === 'true' || process.env.HOLDFAST_INSTALL === '1';
  if (process.getuid?.() !== 0 || !wanted) {
    console.error(
      `Missing: the Debian package${missing.length > 1 ? 's' : ''} ${missing.join(', ')}. Install with "apt-get install --no-install-recommends ${missing.join(' ')}", or run this as root with HOLDFAST_INSTALL=1.`,
    );
    process.exit(1);
  }
  install(missing);
}

function isInstalled(name) {
  const { status, stdout } = spawnSync('dpkg-query', ['-s', name], { encoding: 'utf8' });
  return status === 0 && /^Status: .* installed$/m.test(stdout);
}

function install(packages) {
  // RUNLEVEL=1: postinst scripts must not start daemons.
  const env = { ...process.env, RUNLEVEL: '1', DEBIAN_FRONTEND: 'noninteractive' };
  const args = ['install', '-y', '--no-install-recommends', ...packages];
  const run = (command) =>
    spawnSync('apt-get', command, { env, stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' });
  let result = run(args);
  // The lists of packages may be old or not there yet.
  if (result.status !== 0 && run(['update']).status === 0) result = run(args);
  if (result.status === 0) return;
  console.error(`apt-get could not install ${packages.join(', ')}:\n${result.stderr ?? result.error?.message ?? ''}`);
  process.exit(1);
}
