import { Panel } from "../components/Panel.js";
import { AllTrials } from "../parts/AllTrials.js";

export default function Tradeoffs() {
  return <div class="page"><Panel title="Trade-offs" wide><AllTrials /></Panel></div>;
}
