import { Panel } from "../components/Panel.js";
import { AllTrials } from "../parts/AllTrials.js";

export default function Explore() {
  return <div class="page"><Panel title="Trials" wide><AllTrials /></Panel></div>;
}
