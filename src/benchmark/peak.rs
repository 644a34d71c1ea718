//! What a GPU can do at best, by its own clocks and widths.

use super::Element;
use crate::machine::device::Device;
use crate::machine::topology::Figure;

/// Dense operations of a multiprocessor in each clock, by compute capability: f32 and f64 at their fastest, tf32, f16, bf16,
/// fp8, i8 by tensor cores; 0 where there are none. Each is the rate of NVIDIA's data sheets over clock and
/// multiprocessors: of V100, T4, A100, A40, L40S, H100 SXM, B200 and RTX 5090 with sums of 16 bits.
const EACH_CLOCK: [(&str, [u32; 7]); 8] = [
    ("7.0", [128, 64, 0, 1024, 0, 0, 0]),
    ("7.5", [128, 4, 0, 1024, 0, 0, 2048]),
    ("8.0", [128, 128, 1024, 2048, 2048, 0, 4096]),
    ("8.6", [256, 4, 512, 1024, 1024, 0, 2048]),
    ("8.9", [256, 4, 512, 1024, 1024, 2048, 2048]),
    ("9.0", [256, 256, 2048, 4096, 4096, 8192, 8192]),
    ("10.0", [256, 128, 4096, 8192, 8192, 16384, 16384]),
    ("12.0", [256, 4, 512, 1024, 1024, 2048, 2048]),
];

/// The bandwidth of a device's memory, GB/s: two transfers in each clock over the whole bus. `None` where the driver does
/// not tell, and of an instance (MIG), which has a part of it.
pub fn memory(device: &Device) -> Option<Figure> {
    let (clock, bits) = device.memory_clock_mhz.zip(device.memory_bus_bits)?;
    let value = 2.0 * f64::from(clock) * 1e6 * f64::from(bits) / 8.0 / 1e9;
    let source = format!("2 x {clock} MHz x {bits} bits, which the driver tells");
    let is_part = device.uuid.as_ref().is_some_and(|uuid| uuid.starts_with("MIG-"));
    (value > 0.0 && !is_part).then_some(Figure { value, source })
}

/// The highest rate of dense arithmetic with elements of a type, TFLOP/s, at its highest clock. `None` where the
/// driver does not tell, and of generations and types that are not known here.
pub fn arithmetic(device: &Device, element: Element) -> Option<Figure> {
    let place = match element {
        Element::F32 => 0,
        Element::F64 => 1,
        Element::Tf32 => 2,
        Element::F16 => 3,
        Element::Bf16 => 4,
        Element::Fp8E4m3 | Element::Fp8E5m2 => 5,
        Element::I8 => 6,
        _ => return None,
    };
    let capability = device.compute_capability.as_deref()?;
    let (_, each) = EACH_CLOCK.iter().find(|(known, _)| *known == capability)?;
    let (clock, processors, each) = (device.clock_mhz?, device.multiprocessors?, each[place]);
    let value = f64::from(clock) * 1e6 * f64::from(processors) * f64::from(each) / 1e12;
    let source = format!(
        "{clock} MHz x {processors} multiprocessors, which the driver tells, x {each} operations a clock"
    );
    (value > 0.0).then_some(Figure { value, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(capability: &str, processors: u32, clocks: [u32; 2], bits: u32) -> Device {
        Device {
            compute_capability: Some(capability.to_owned()),
            multiprocessors: Some(processors),
            clock_mhz: Some(clocks[0]),
            memory_clock_mhz: Some(clocks[1]),
            memory_bus_bits: Some(bits),
            ..Device::named("cuda", "GPU".to_owned())
        }
    }

    /// What NVIDIA's data sheets say, at the clocks that they are of: GB/s, and TFLOP/s of types.
    #[test]
    fn peaks_are_those_of_the_data_sheets() {
        use Element::{Bf16, F16, F32, F64, Fp8E4m3, I8, Tf32};
        let v100 = device("7.0", 80, [1530, 877], 4096);
        let t4 = device("7.5", 40, [1590, 5001], 256);
        let a100 = device("8.0", 108, [1410, 1215], 5120);
        let a40 = device("8.6", 84, [1740, 7251], 384);
        let l40s = device("8.9", 142, [2520, 9001], 384);
        let h100 = device("9.0", 132, [1830, 2619], 5120);
        let b200 = device("10.0", 148, [1856, 3996], 8192);
        for (device, told, rates) in [
            (&v100, 900.0, &[(F32, 15.7), (F64, 7.8), (F16, 125.0)][..]),
            (&t4, 320.0, &[(F32, 8.1), (F16, 65.0), (I8, 130.0)]),
            (&a100, 1555.0, &[(F32, 19.5), (F64, 19.5), (Tf32, 156.0), (Bf16, 312.0), (I8, 624.0)]),
            (&a40, 696.0, &[(F32, 37.4), (Tf32, 74.8), (F16, 149.7), (I8, 299.3)]),
            (&l40s, 864.0, &[(F32, 91.6), (Tf32, 183.0), (F16, 362.0), (Fp8E4m3, 733.0)]),
            (&h100, 3352.0, &[(Tf32, 494.7), (Bf16, 989.4), (Fp8E4m3, 1978.9), (I8, 1978.9)]),
            (&b200, 8000.0, &[(Bf16, 2250.0), (Fp8E4m3, 4500.0)]),
        ] {
            let near = |value: f64, told: f64| (value / told - 1.0).abs() < 0.025;
            assert!(near(memory(device).unwrap().value, told), "{device:?}");
            for (element, told) in rates {
                let peak = arithmetic(device, *element).unwrap();
                assert!(near(peak.value, *told), "{element:?}: {peak:?}, {told}");
            }
        }
        assert_eq!(
            arithmetic(&h100, Bf16).unwrap().source,
            "1830 MHz x 132 multiprocessors, which the driver tells, x 4096 operations a clock"
        );
    }

    #[test]
    fn what_is_not_known_has_no_peak() {
        let known = device("9.0", 132, [1830, 2619], 5120);
        let newer = device("99.0", 132, [1830, 2619], 5120);
        assert_eq!(arithmetic(&newer, Element::F32), None);
        assert_eq!(arithmetic(&known, Element::I64), None);
        assert_eq!(arithmetic(&device("7.0", 80, [1530, 877], 4096), Element::Bf16), None);
        assert_eq!(memory(&Device { memory_bus_bits: None, ..known.clone() }), None);
        let instance = Device { uuid: Some("MIG-1".to_owned()), ..known };
        assert_eq!(memory(&instance), None);
        assert_eq!(memory(&Device::named("cpu", "CPU".to_owned())), None);
    }
}
