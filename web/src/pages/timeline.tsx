import { Panel } from "../components/Panel.js";
import { AllTrials } from "../parts/AllTrials.js";

export default function Timeline() {
  return <div class="page"><Panel title="Timeline" wide><AllTrials /></Panel></div>;
}
