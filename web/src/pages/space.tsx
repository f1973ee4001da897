import { Panel } from "../components/Panel.js";
import { AllTrials } from "../parts/AllTrials.js";

export default function Space() {
  return <div class="page"><Panel title="Space" wide><AllTrials /></Panel></div>;
}
