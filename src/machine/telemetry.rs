//! GPU telemetry before and after a case: clocks, power, energy, temperature, throttling.
//!
//! NVML takes milliseconds per reading, so there is none while a sample runs.

use nvml_wrapper::Nvml;
use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{Clock, PerformancePolicy, TemperatureSensor};
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::sys_exports::field_id::NVML_FI_DEV_POWER_INSTANT;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::caveat::THROTTLED_PERCENT;
use crate::machine::device::{Board, Device};

/// NVML's field of the power that is drawn now. `nvmlDeviceGetPowerUsage` is a mean over a second on Ampere and newer, but
/// on GA100 (nvml.h).
const POWER_NOW: FieldId = FieldId(NVML_FI_DEV_POWER_INSTANT);

/// What the UUID of a MIG instance begins with.
const INSTANCE: &str = "MIG-";

/// Most NVLinks of a GPU; NVML refuses the number of one that is not there.
const NVLINK_LIMIT: u32 = 18;

/// The NVML sensors of one GPU.
#[derive(Debug)]
pub struct Sensors {
    nvml: Nvml,
    pci: String,
}

/// One reading; values that the GPU does not report are null.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reading {
    /// Clock of the multiprocessors, MHz.
    pub sm_mhz: Option<u32>,
    /// Clock of the memory, MHz.
    pub memory_mhz: Option<u32>,
    /// Power drawn, W.
    pub power_watts: Option<f64>,
    /// Whether that is the power of the moment. Else it is NVML's older figure: a mean over a second on Ampere and newer, but on
    /// GA100.
    #[serde(default)]
    pub power_is_instant: bool,
    /// Energy drawn since the driver was loaded, J.
    pub energy_joules: Option<f64>,
    /// Temperature of the chip, °C.
    pub temperature_celsius: Option<u32>,
    /// Current reasons for reduced clocks, by NVML's names.
    pub throttle_reasons: Vec<String>,
    /// Time since the driver was loaded during which the power limit reduced clocks, s.
    pub power_limited_seconds: Option<f64>,
    /// Time since the driver was loaded during which the thermal limit reduced clocks, s.
    pub heat_limited_seconds: Option<f64>,
}

/// Telemetry of one rank's GPU over a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Telemetry {
    /// World rank.
    pub rank: usize,
    /// Before the warm-up.
    pub before: Reading,
    /// After the last iteration.
    pub after: Reading,
    /// Time between the two, s.
    pub seconds: f64,
    /// Energy between the two, J. The counter is updated every 10 ms or so, and reading takes some ms that are not
    /// in `seconds`: it is imprecise for a case of less than a second.
    pub energy_joules: Option<f64>,
    /// What reduced clocks between the two: `power` or `heat` with its share of the time, and the reasons at the
    /// end, by NVML's names.
    pub throttled: Vec<String>,
}

/// How fast a GPU runs at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speed {
    /// Clock of the multiprocessors, MHz.
    pub sm_mhz: u32,
    /// Whether power, heat or another limit holds it back.
    pub is_limited: bool,
}

/// Reasons that do not indicate a problem: an idle GPU, and clocks set by the user.
const HARMLESS: ThrottleReasons = ThrottleReasons::GPU_IDLE
    .union(ThrottleReasons::APPLICATIONS_CLOCKS_SETTING)
    .union(ThrottleReasons::SYNC_BOOST)
    .union(ThrottleReasons::DISPLAY_CLOCK_SETTING);

/// How the tools write the UUID of a device: `GPU-…`, and `MIG-…` of a part of a GPU. NVML alone tells those apart; without it a
/// part is taken for a GPU.
pub fn uuid_of(number: &str) -> String {
    let instance = format!("{INSTANCE}{number}");
    let is_instance = Nvml::init().is_ok_and(|nvml| {
        let device = nvml.device_by_uuid(instance.as_str());
        device.is_ok_and(|device| device.mig_is_mig_device_handle().unwrap_or(true))
    });
    if is_instance { instance } else { format!("GPU-{number}") }
}

/// Whether a device is a part of a GPU, by its UUID.
pub fn is_instance(device: &Device) -> bool {
    device.uuid.as_ref().is_some_and(|uuid| uuid.starts_with(INSTANCE))
}

impl Sensors {
    /// The sensors of `device`; `None` for a device that NVML does not know.
    pub fn of(device: &Device) -> Option<Self> {
        // By PCI bus id, because CUDA_VISIBLE_DEVICES changes CUDA's indices but not NVML's.
        let pci = device.pci.clone()?;
        let sensors = Nvml::init().map(|nvml| Self { nvml, pci });
        let found = sensors.and_then(|sensors| {
            sensors.nvml.device_by_pci_bus_id(sensors.pci.as_str())?;
            Ok(sensors)
        });
        let warn = |why: &NvmlError| {
            tracing::warn!("no telemetry of {}: {why}{}", device.name, remedy(why));
        };
        found.inspect_err(warn).ok()
    }

    /// Reads all sensors. Those of the whole GPU, where the device is a MIG instance.
    pub fn read(&self) -> Reading {
        let device = match self.nvml.device_by_pci_bus_id(self.pci.as_str()) {
            Ok(device) => device,
            Err(why) => {
                tracing::warn!("no telemetry of the GPU at {}: {why}{}", self.pci, remedy(&why));
                return Reading::default();
            }
        };
        let now = || match device.field_values_for(&[POWER_NOW]).ok()?.pop()?.ok()?.value.ok()? {
            SampleValue::U32(milliwatts) => Some(u64::from(milliwatts)),
            SampleValue::U64(milliwatts) => Some(milliwatts),
            SampleValue::F64(_) | SampleValue::I64(_) => None,
        };
        let now = now();
        let power = now.or_else(|| device.power_usage().ok().map(u64::from));
        let from_milli = |value: u64| value as f64 / 1e3;
        let limited =
            |by| device.violation_status(by).ok().map(|status| status.violation_time as f64 / 1e9);
        let reasons = device.current_throttle_reasons().unwrap_or(ThrottleReasons::empty());
        Reading {
            sm_mhz: device.clock_info(Clock::SM).ok(),
            memory_mhz: device.clock_info(Clock::Memory).ok(),
            power_watts: power.map(from_milli),
            power_is_instant: now.is_some(),
            energy_joules: device.total_energy_consumption().ok().map(from_milli),
            temperature_celsius: device.temperature(TemperatureSensor::Gpu).ok(),
            throttle_reasons: reason_names(reasons.difference(HARMLESS)),
            power_limited_seconds: limited(PerformancePolicy::Power),
            heat_limited_seconds: limited(PerformancePolicy::Thermal),
        }
    }

    /// How fast it runs at the moment; `None` where NVML does not tell. Less work than a whole reading.
    pub fn speed(&self) -> Option<Speed> {
        let device = self.nvml.device_by_pci_bus_id(self.pci.as_str()).ok()?;
        let reasons = device.current_throttle_reasons().unwrap_or(ThrottleReasons::empty());
        let sm_mhz = device.clock_info(Clock::SM).ok()?;
        Some(Speed { sm_mhz, is_limited: !reasons.difference(HARMLESS).is_empty() })
    }

    /// Whether the driver keeps the GPU ready while no program uses it.
    pub fn is_persistent(&self) -> Option<bool> {
        self.nvml.device_by_pci_bus_id(self.pci.as_str()).ok()?.is_in_persistent_mode().ok()
    }

    /// What does not change while cases run.
    pub fn board(&self) -> Board {
        let Ok(device) = self.nvml.device_by_pci_bus_id(self.pci.as_str()) else {
            return Board::default();
        };
        let links = || {
            let known =
                (0..NVLINK_LIMIT).map_while(|link| device.link_wrapper_for(link).is_active().ok());
            let known: Vec<bool> = known.collect();
            (!known.is_empty()).then(|| known.iter().filter(|is_up| **is_up).count() as u32)
        };
        Board {
            serial: device.serial().ok(),
            firmware: device.vbios_version().ok(),
            pcie_generation: device.max_pcie_link_gen().ok(),
            pcie_width: device.current_pcie_link_width().ok(),
            nvlinks: links(),
            ecc: device.is_ecc_enabled().ok().map(|ecc| ecc.currently_enabled),
            power_limit_watts: device.enforced_power_limit().ok().map(|it| f64::from(it) / 1e3),
        }
    }

    /// The driver's version.
    pub fn driver_version(&self) -> Option<String> {
        self.nvml.sys_driver_version().ok()
    }
}

/// What to do about an error that is the device's own.
fn remedy(error: &NvmlError) -> &'static str {
    match error {
        NvmlError::GpuLost => "; see the kernel's log for an Xid, and restart the node",
        _ => "",
    }
}

fn reason_names(reasons: ThrottleReasons) -> Vec<String> {
    reasons.iter_names().map(|(name, _)| name.to_lowercase()).collect()
}

impl Telemetry {
    /// The telemetry of rank `rank` from two readings `seconds` apart.
    pub fn between(rank: usize, before: Reading, after: Reading, seconds: f64) -> Self {
        let change = |of: fn(&Reading) -> Option<f64>| Some(of(&after)? - of(&before)?);
        let limits = [
            ("power", change(|reading| reading.power_limited_seconds)),
            ("heat", change(|reading| reading.heat_limited_seconds)),
        ];
        let noticeable = limits.into_iter().filter_map(|(what, time)| {
            let share = 100.0 * time? / seconds;
            (share >= THROTTLED_PERCENT).then(|| format!("{what} {share:.0} % of the time"))
        });
        // The counters are needed because the GPU is already idle at the last reading.
        let throttled = noticeable.chain(after.throttle_reasons.iter().cloned()).collect();
        let energy_joules = change(|reading| reading.energy_joules);
        Self { rank, before, after, seconds, energy_joules, throttled }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_named_and_harmless_ones_left_out() {
        let reasons = ThrottleReasons::GPU_IDLE | ThrottleReasons::HW_THERMAL_SLOWDOWN;
        assert_eq!(reason_names(reasons.difference(HARMLESS)), ["hw_thermal_slowdown"]);
    }

    #[test]
    fn counters_become_differences_of_two_readings() {
        let reading = |joules| Reading { energy_joules: Some(joules), ..Reading::default() };
        let telemetry = Telemetry::between(3, reading(10.0), reading(110.0), 0.5);
        assert_eq!((telemetry.rank, telemetry.energy_joules), (3, Some(100.0)));
        assert!(telemetry.throttled.is_empty());
        let limited = Reading { power_limited_seconds: Some(0.5), ..Reading::default() };
        let before = Reading { power_limited_seconds: Some(0.25), ..Reading::default() };
        assert_eq!(
            Telemetry::between(0, before, limited, 0.5).throttled,
            ["power 50 % of the time"]
        );
        let blind = Telemetry::between(3, Reading::default(), reading(110.0), 0.5);
        assert_eq!(blind.energy_joules, None);
    }
}
