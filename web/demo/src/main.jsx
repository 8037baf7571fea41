import { render } from 'preact';
import './style/base.css';
import './style/controls.css';
import './style/layout.css';
import './style/stage.css';
import './style/tokens.css';
import './style/train.css';
import './style/generate.css';
import './style/inpaint.css';
import './style/upscale.css';
import { App } from './app.jsx';
import { startOffline } from './state/offline.js';

render(<App />, document.getElementById('app'));
startOffline();
