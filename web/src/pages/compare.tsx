import { Panel } from "../components/Panel.js";
import { AllStudies } from "../parts/AllStudies.js";

export default function Compare() {
  return <div class="page"><Panel title="Compare" wide><AllStudies /></Panel></div>;
}
