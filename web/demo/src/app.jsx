/* The shell: header with tabs, the open tab, drop and paste anywhere, notices. */
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { carriesFiles, filesOf, isModel } from './lib/files.js';
import { foldersOf, picturesIn } from './lib/folder.js';
import { lookForCheckpoint } from './state/checkpoint.js';
import { codec, loading } from './state/codec.js';
import { chooseOwn } from './state/dataset.js';
import { dismiss, notices, report, spoken } from './state/notice.js';
import { offlineReady } from './state/offline.js';
import { phase } from './state/run.js';
import { openPicture, takes } from './state/inpaint.js';
import { openFiles } from './state/session.js';
import { tab, tabs } from './state/settings.js';
import { theme, toggleTheme } from './state/theme.js';
import { takeFiles } from './state/upscale.js';
import { Button } from './ui/controls.jsx';
import { CompressView } from './views/compress.jsx';
import { GenerateView } from './views/generate.jsx';
import { InpaintView } from './views/inpaint.jsx';
import { TokensView } from './views/tokens.jsx';
import { TrainView } from './views/train.jsx';
import { UpscaleView } from './views/upscale.jsx';

const views = { compress: ['Compress', CompressView], tokens: ['Tokens', TokensView], generate: ['Generate', GenerateView], inpaint: ['Inpaint', InpaintView], upscale: ['Upscale', UpscaleView], train: ['Train', TrainView] };

/** Files dropped or pasted: training pictures on the Train tab, a picture to work on on the Inpaint and Upscale tabs, else something to open. */
function take(files) {
  if (!files.length) return;
  if (tab.value === 'train') return chooseOwn(files);
  if (tab.value === 'upscale') return takeFiles(files);
  if (tab.value === 'inpaint' && takes(files)) return openPicture(files[0]);
  if (['generate', 'inpaint'].includes(tab.value) && !files.every(isModel)) tab.value = 'compress';
  openFiles(files);
}

export function App() {
  const dragging = useSignal(false);
  useEffect(() => {
    lookForCheckpoint();
    const onPaste = (event) => take(filesOf(event.clipboardData));
    addEventListener('paste', onPaste);
    window.launchQueue?.setConsumer(async ({ files }) => take(await Promise.all(files.map((handle) => handle.getFile())))); // installed, and a .tess was opened with it
    return () => removeEventListener('paste', onPaste);
  }, []);
  const over = (event) => {
    if (!carriesFiles(event.dataTransfer)) return;
    event.preventDefault();
    dragging.value = true;
  };
  const leave = (event) => !event.currentTarget.contains(event.relatedTarget) && (dragging.value = false);
  const drop = (event) => {
    if (!carriesFiles(event.dataTransfer)) return;
    event.preventDefault();
    dragging.value = false;
    const folders = tab.value === 'train' ? foldersOf(event.dataTransfer) : [];
    if (folders.length) picturesIn(folders).then(take, (error) => report(error, 'The folder could not be read'));
    else take(filesOf(event.dataTransfer));
  };
  const View = views[tab.value][1];
  return (
    <div class={`app${dragging.value ? ' dragging' : ''}`} onDragEnter={over} onDragOver={over} onDragLeave={leave} onDrop={drop}>
      <Header />
      <main>
        <div id={`panel-${tab.value}`} role="tabpanel" aria-labelledby={`tab-${tab.value}`} class={`view ${tab.value}`}>
          <View />
        </div>
      </main>
      <Notices />
      <p class="visually-hidden" role="status" aria-live="polite">{spoken}</p>
      {dragging.value && <div class="drop-veil" aria-hidden="true"><p>{tab.value === 'train' ? 'Drop pictures to train on' : 'Drop a picture, a .tess file or a model'}</p></div>}
    </div>
  );
}

function Header() {
  const onKeyDown = (event) => {
    const at = tabs.indexOf(tab.value);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1 + tabs.length, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    tab.value = tabs[to % tabs.length];
    document.getElementById(`tab-${tab.value}`).focus();
  };
  return (
    <header class="header">
      <h1 class="brand"><Mark />Tesserae</h1>
      <div class="tabs" role="tablist" aria-label="What to do" onKeyDown={onKeyDown}>
        {tabs.map((name) => (
          <button key={name} type="button" id={`tab-${name}`} role="tab" aria-selected={tab.value === name} aria-controls={`panel-${name}`}
            tabIndex={tab.value === name ? 0 : -1} onClick={() => (tab.value = name)}>
            {views[name][0]}
            {name === 'train' && phase.value === 'running' && tab.value !== 'train' && <><i class="pulse" /><span class="visually-hidden">running</span></>}
          </button>
        ))}
      </div>
      <p class="engine">
        <Engine />
        {offlineReady.value && <span class="offline" title="Everything is stored on this machine">offline ready</span>}
      </p>
      <Button kind="quiet" icon={theme.value === 'dark' ? 'sun' : 'moon'} label={theme.value === 'dark' ? 'Light theme' : 'Dark theme'} onClick={toggleTheme} />
    </header>
  );
}

/** Which build of the core runs, and where. */
function Engine() {
  if (loading.value !== null) return <span>loading model {loading.value > 0 && `${Math.round(100 * loading.value)} %`}</span>;
  if (!codec.value) return <span title="All work is done in this browser">runs on this machine only</span>;
  const { build, threads, workers, where, note } = codec.value.backend;
  const parts = [build, threads > 1 && `${threads} threads`, workers > 1 ? `${workers} workers` : where];
  return <span data-engine title={note ?? 'Which build of the codec runs, and where'}>{parts.filter(Boolean).join(' · ')}</span>;
}

/** Nine tiles: the sign of the thing. */
function Mark() {
  const tones = ['a', 'b', 'c', 'b', 'c', 'd', 'c', 'd', 'e'];
  return (
    <svg class="mark" viewBox="0 0 20 20" aria-hidden="true">
      {tones.map((tone, i) => <rect key={i} class={tone} x={1 + 6.25 * (i % 3)} y={1 + 6.25 * Math.floor(i / 3)} width="5.5" height="5.5" rx="1.2" />)}
    </svg>
  );
}

function Notices() {
  return (
    <div class="notices" aria-live="polite">
      {notices.value.map(({ id, kind, text, actions }) => (
        <div key={id} class={`notice ${kind}`} role={kind === 'error' ? 'alert' : undefined}>
          <p>{text}</p>
          {actions.map(({ label, run }) => <button key={label} type="button" class="link" onClick={() => { dismiss(id); run(); }}>{label}</button>)}
          <Button kind="quiet" icon="close" label="Dismiss" onClick={() => dismiss(id)} />
        </div>
      ))}
    </div>
  );
}
